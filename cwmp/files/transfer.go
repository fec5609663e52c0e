// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
)

// transfer is one request that moves content.
type transfer struct {
	srv       *Server
	job       *job
	direction string
	method    string
	remote    netip.AddrPort
	rc        *http.ResponseController
	began     time.Time
	bytes     int64 // of content; of the transfer's goroutine

	ctx    context.Context //nolint:containedctx // of the transfer: that of a request ends when a CPE half-closes
	cancel context.CancelCauseFunc

	mu sync.Mutex // of the deadlines
}

func (x *exchange) newTransfer(direction string) *transfer {
	t := &transfer{
		srv: x.srv, job: x.job, direction: direction, method: x.r.Method, remote: x.remote, rc: x.rc, began: time.Now(),
	}
	t.ctx, t.cancel = context.WithCancelCause(context.WithoutCancel(x.r.Context()))
	return t
}

// stop ends the transfer from outside, with cause. It does not block.
func (t *transfer) stop(cause error) {
	t.cancel(cause)
	t.mu.Lock()
	defer t.mu.Unlock()
	past := time.Unix(1, 0)
	_ = t.rc.SetReadDeadline(past)
	_ = t.rc.SetWriteDeadline(past)
}

// within sets the deadline of reading or writing, unless the transfer has been
// stopped.
func (t *transfer) within(d time.Duration, set func(time.Time) error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() == nil {
		_ = set(time.Now().Add(d)) // that of a dead connection shows in what follows
	}
}

// noReadDeadline takes the read deadline away when a body has been read.
func (t *transfer) noReadDeadline() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() == nil {
		_ = t.rc.SetReadDeadline(time.Time{})
	}
}

// moved counts n bytes of content.
func (t *transfer) moved(n int) {
	t.bytes += int64(n)
	t.job.moved(n)
	t.srv.met.bytes.WithLabelValues(t.direction).Add(float64(n))
}

// failure gives the error of a connection its reason.
func (t *transfer) failure(err error) error {
	switch {
	case err == nil:
		return nil
	case t.ctx.Err() != nil:
		return context.Cause(t.ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrStalled
	default:
		return fmt.Errorf("%w: %w", ErrInterrupted, err)
	}
}

// admit begins t, or answers 503 or 404 and returns false.
func (x *exchange) admit(t *transfer) bool {
	reason := x.srv.transfers.take(t)
	if reason == "" {
		if reason = x.job.enter(t); reason == "" {
			return true
		}
		x.srv.transfers.give(t)
	}
	t.cancel(nil)
	if reason == reasonUnknown {
		x.refuse(reason, http.StatusNotFound)
	} else {
		x.busy(reason)
	}
	return false
}

// started tells of the beginning.
func (t *transfer) started() {
	t.srv.met.active.WithLabelValues(t.direction).Inc()
	t.job.notify(Event{Kind: Started, Remote: t.remote, Method: t.method})
}

// over ends what was admitted. Has it started, err and parts, those of the
// content that were sent, are told.
func (t *transfer) over(started bool, err error, parts []span) {
	e := Event{Remote: t.remote, Method: t.method, Bytes: t.bytes, Took: time.Since(t.began), Err: err}
	if started {
		if e.Kind = Finished; err != nil {
			e.Kind = Failed
		}
		t.srv.met.active.WithLabelValues(t.direction).Dec()
		t.srv.met.transfers.WithLabelValues(t.direction, result(err)).Inc()
		t.srv.log.Info("transfer of a file has ended", zap.String("direction", t.direction),
			zap.String("job", t.job.access.Label), zap.Stringer("remote", t.remote), zap.Int64("bytes", t.bytes),
			zap.Duration("took", e.Took), zap.Error(err))
	}
	t.srv.transfers.give(t)
	t.job.leave(t, e, parts)
	t.cancel(nil)
}
