// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bufio"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Storm is a crowd of CPE that all have to inform after an outage.
type Storm struct {
	// Count is how many: 0 to Count-1.
	Count int
	// Within is the time in which they come for the first time, at random.
	Within time.Duration
	// Change is what they say in ChangeField.
	Change uint64
}

// StormResult is what has become of them.
type StormResult struct {
	Served int
	// Refused counts the answers 503 with Retry-After, after which a CPE comes again when
	// it says; Broken the connections that failed, after which it comes again in 5 to 10
	// seconds [TR-069 3.2.1.1].
	Refused, Broken int
	// Faulted are the CPE that had any other answer, and gave up, with the first reason.
	Faulted int
	Reason  error
	// Last is when the last one was served, from the beginning.
	Last time.Duration
}

// openSessions bounds how many CPE of a Storm are in session at the same time.
const openSessions = 2000

// storm is one that is under way.
type storm struct {
	form    *informForm
	address string
	slots   chan struct{}
	idle    sync.Pool
	began   time.Time

	mu  sync.Mutex
	out StormResult
}

// Storm has every CPE come until it was served, or ctx ends.
func (s *Sessions) Storm(ctx context.Context, o Storm) (StormResult, error) {
	form, err := s.form()
	if err != nil {
		return StormResult{}, err
	}
	st := &storm{form: form, address: s.Address, slots: make(chan struct{}, openSessions), began: time.Now()}
	var wg sync.WaitGroup
	for i := range o.Count {
		wg.Go(func() {
			for wait := rand.N(o.Within); wait > 0 && pause(ctx, wait); {
				wait = st.visit(ctx, i, o.Change)
			}
		})
	}
	wg.Wait()
	return st.out, context.Cause(ctx)
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// visit has one session, and returns when the CPE comes again, 0 for never.
func (st *storm) visit(ctx context.Context, serial int, change uint64) (again time.Duration) {
	st.slots <- struct{}{}
	w, ok := st.idle.Get().(*informer)
	if !ok {
		w = &informer{address: st.address, form: st.form.clone(), r: bufio.NewReader(nil)}
	}
	err := w.session(ctx, serial, change)
	st.idle.Put(w)
	<-st.slots
	st.mu.Lock()
	defer st.mu.Unlock()
	var status *StatusError
	switch {
	case err == nil:
		st.out.Served++
		st.out.Last = time.Since(st.began)
		return 0
	case !errors.As(err, &status):
		st.out.Broken++
		return 5*time.Second + rand.N(5*time.Second)
	case status.Status == http.StatusServiceUnavailable && status.RetryAfter > 0:
		st.out.Refused++
		return status.RetryAfter
	default:
		st.out.Faulted++
		if st.out.Reason == nil {
			st.out.Reason = err
		}
		return 0
	}
}
