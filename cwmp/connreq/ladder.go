// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"
)

// run is the goroutine of one wake.
func (w *Waker) run(k *wake) {
	defer close(k.done)
	defer k.cancel(nil)
	if w.opts.Waking != nil {
		w.opts.Waking(k.cpe.Key)
	}
	err := w.climb(k)
	if cause := context.Cause(k.ctx); cause != nil {
		err = cause
	}
	if errors.Is(err, context.Canceled) {
		err = ErrClosed
	}
	w.finish(k, err)
	if k.err != nil {
		w.log.Debug("no session", zap.String("device", k.cpe.Key), zap.Error(k.err))
	}
}

// finish notes what has come of a wake.
func (w *Waker) finish(k *wake, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, now := w.recall(k.cpe.Key), time.Now()
	result := w.outcome(k, r, err, now)
	method := "none"
	if result == ResultSession {
		err = nil
		if k.report.Method != "" {
			method = string(k.report.Method)
			r.method, r.login = k.report.Method, k.report.Login
		}
	} else {
		k.report.Method, k.report.Login = "", Login{}
	}
	w.wakes.WithLabelValues(method, result).Inc()
	w.now.Dec()
	k.report.Ended, k.err = now, err
	r.report = k.report.clone()
	delete(w.wanted, k.cpe.Key)
}

// outcome is the result of a wake that ended with err, a label of metrics. It sets
// when the next may begin.
func (w *Waker) outcome(k *wake, r *remembered, err error, now time.Time) string {
	last := &Step{}
	if n := len(k.report.Steps); n > 0 {
		last = &k.report.Steps[n-1]
	}
	switch {
	case errors.Is(err, errArrived):
		r.rest()
		if last.Result == ResultOK || last.Result == ResultCanceled {
			last.Result = ResultSession
		}
		return ResultSession
	case errors.Is(err, errAbandoned), errors.Is(err, ErrClosed):
		if last.Result == ResultOK { // it may take its time, whoever waits
			r.notBefore = last.At.Add(w.opts.SessionWait)
		} else if !last.At.IsZero() {
			r.notBefore = now.Add(w.opts.Backoff)
		}
		return ResultCanceled
	case errors.Is(err, ErrNoWay):
		return "no_way"
	default:
		r.tried = nil
		r.pause = min(max(2*r.pause, w.opts.Backoff), w.opts.MaxBackoff)
		r.notBefore = now.Add(r.pause)
		return ResultNoSession
	}
}

// climb tries one way after the other until k.ctx ends, as it does when the session
// comes; then what it returns means nothing.
func (w *Waker) climb(k *wake) error {
	ways, notBefore := w.ways(&k.cpe)
	if len(ways) == 0 {
		return ErrNoWay
	}
	wait(k.ctx, time.Until(notBefore))
	for _, m := range ways {
		if k.ctx.Err() == nil {
			w.rung(k, m)
		}
	}
	return ErrNoSession
}

// ways are the methods to try, and from when on: what worked last, then in the order
// of the options. A CPE that says of none of them that it supports it is asked all
// the same.
func (w *Waker) ways(c *CPE) (ways []Method, notBefore time.Time) {
	var other []Method
	for _, m := range w.opts.Order {
		if way := w.opts.Ways[m]; way == nil || !way.Reaches(c) {
			continue
		}
		if c.Supports(m) {
			ways = append(ways, m)
		} else {
			other = append(other, m)
		}
	}
	if len(ways) == 0 {
		ways = other
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.recall(c.Key)
	last := c.Last
	if r.method != "" {
		last = r.method
	}
	if i := slices.Index(ways, last); i > 0 {
		ways = slices.Insert(slices.Delete(ways, i, i+1), 0, last)
	}
	if !slices.ContainsFunc(ways, func(m Method) bool { return r.tried[m] <= w.opts.Retries }) {
		r.tried = nil // all over again
	}
	return ways, r.notBefore
}

// logins are those of c, the one that worked last first, at least an empty one; and
// how many requests m is good for.
func (w *Waker) logins(c *CPE, m Method) (logins []Login, requests int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.recall(c.Key)
	requests = w.opts.Retries + 1 - r.tried[m]
	logins = slices.Clone(c.Logins[:min(len(c.Logins), maxLogins)])
	if len(logins) == 0 {
		return []Login{{}}, requests
	}
	if i := slices.Index(logins, r.login); i > 0 {
		logins = slices.Insert(slices.Delete(logins, i, i+1), 0, r.login)
	}
	return logins, requests
}

// rung asks in one way, as often as it is worth it. What has been asked in vain
// before counts, so that callers who wait for less than a ladder takes come to its
// other ways, too.
func (w *Waker) rung(k *wake, m Method) {
	logins, requests := w.logins(&k.cpe, m)
	at, pause := 0, w.opts.Backoff
	if m == UDP { // nobody says that a login is wrong: each time the next
		at = max(w.opts.Retries+1-requests, 0) % len(logins)
	}
	for ; requests > 0; requests-- {
		err := w.request(k, m, logins[at])
		for errors.Is(err, ErrCredentials) && at+1 < len(logins) && k.ctx.Err() == nil {
			at++ // another may do, at once [quirk 79]
			err = w.request(k, m, logins[at])
		}
		switch {
		case k.ctx.Err() != nil:
			return
		case err == nil:
			if !wait(k.ctx, w.opts.SessionWait) {
				return
			}
			w.settle(k, ResultNoSession) // [quirk 77]
			if m == UDP {
				at = (at + 1) % len(logins)
			}
		case errors.Is(err, ErrInSession):
			if !wait(k.ctx, pause) {
				return
			}
			pause *= 2
		default:
			w.exhaust(k, m)
			return
		}
	}
}

// request makes one request and reports it.
func (w *Waker) request(k *wake, m Method, l Login) error {
	release := w.slots.acquire(k.ctx, networkOf(&k.cpe))
	if release == nil {
		return context.Cause(k.ctx)
	}
	step := Step{At: time.Now(), Method: m, Username: l.Username}
	to, err := w.opts.Ways[m].Request(k.ctx, &k.cpe, l)
	release()
	step.To, step.Result, step.Detail = to, resultOf(err), detailOf(err)
	w.total.WithLabelValues(string(m), step.Result).Inc()
	w.mu.Lock()
	defer w.mu.Unlock()
	k.report.add(step)
	if step.Result == ResultOK || step.Result == ResultCanceled {
		k.report.Method, k.report.Login = m, l // counts if the session comes now
	}
	if !errors.Is(err, ErrCredentials) {
		w.try(k, m, 1)
	}
	return err
}

// try counts n requests; w.mu is held.
func (w *Waker) try(k *wake, m Method, n int) {
	r := w.recall(k.cpe.Key)
	if r.tried == nil {
		r.tried = map[Method]int{}
	}
	r.tried[m] += n
}

// exhaust notes that m is of no use until all ways have been tried.
func (w *Waker) exhaust(k *wake, m Method) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.try(k, m, w.opts.Retries+1)
}

// settle says what has come of the last step.
func (w *Waker) settle(k *wake, result string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k.report.Steps[len(k.report.Steps)-1].Result = result
}

// wait waits for d; false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
