// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/cwmp/connreq"
)

// way is a Requester that notes who is asked and answers by f; nil takes all.
type way struct {
	name string
	f    func(n int, c *connreq.CPE, l connreq.Login) error
	hold bool // until ctx ends

	mu    sync.Mutex
	calls []call
	now   int
	most  int
}

type call struct {
	key, user string
	at        time.Duration // since the bubble began
}

// bubbleBegan is when time begins in a bubble.
var bubbleBegan = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (w *way) Reaches(c *connreq.CPE) bool { return c.URL != "-" }

func (w *way) Request(ctx context.Context, c *connreq.CPE, l connreq.Login) (string, error) {
	w.mu.Lock()
	w.calls = append(w.calls, call{c.Key, l.Username, time.Since(bubbleBegan)})
	n := len(w.calls)
	w.now++
	w.most = max(w.most, w.now)
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.now--
		w.mu.Unlock()
	}()
	if w.hold {
		<-ctx.Done()
		return w.name, fmt.Errorf("held: %w", context.Cause(ctx))
	}
	if w.f == nil {
		return w.name + ":" + c.Key, nil
	}
	return w.name + ":" + c.Key, w.f(n, c, l)
}

func (w *way) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls)
}

// times are when the requests were, in whole seconds.
func (w *way) times() (list []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		list = append(list, int(c.at.Seconds()))
	}
	return list
}

// refuse is a way that always fails.
func refuse(name string, err error) *way {
	return &way{name: name, f: func(int, *connreq.CPE, connreq.Login) error { return fmt.Errorf("x: %w", err) }}
}

// bed is what a test in a bubble has.
type bed struct {
	T *testing.T
	w *connreq.Waker
}

// inBubble calls f with a Waker in a bubble of synctest, and ends it after that.
func inBubble(t *testing.T, o connreq.WakerOptions, f func(b bed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		w := connreq.NewWaker(o)
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		f(bed{t, w})
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
}

// outcome is what Wake returns.
type outcome struct {
	report connreq.Report
	err    error
}

// wakeUp calls Wake in a goroutine, which has begun to wait when it returns.
func wakeUp(ctx context.Context, w *connreq.Waker, c connreq.CPE) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		r, err := w.Wake(ctx, c)
		done <- outcome{r, err}
	}()
	synctest.Wait()
	return done
}

// boxCPE is a CPE with all three addresses.
func boxCPE(key string) connreq.CPE {
	return connreq.CPE{
		Key: key, URL: "http://192.0.2.7:7547/x", UDPAddress: "192.0.2.7:9", JID: key + "@example.com/r",
		Logins: []connreq.Login{{Username: "own", Password: "p"}}, Source: netip.MustParseAddr("192.0.2.7"),
	}
}

// results are method and result of each step.
func results(r connreq.Report) (list []string) {
	for _, s := range r.Steps {
		list = append(list, string(s.Method)+" "+s.Result)
	}
	return list
}
