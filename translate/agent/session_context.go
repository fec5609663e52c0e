// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/e2e"
)

// sessionContext is the Session of an Agent with one Controller. It is in memory only:
// an Agent that falls asleep takes it along (registry.go), a gateway that restarts has
// none, and starts another when a Record of the old one comes.
type sessionContext struct {
	*e2e.Session
	timer *timer
	used  time.Time
	id    uint64 // of the context that was counted
}

// Values of the label event of uspgate_translate_session_contexts_total.
const (
	contextStarted = "started"
	contextFailed  = "failed"
	contextRefused = "refused"
	contextEnded   = "ended"
)

// receiveSession takes a Record of a Session Context, and the Messages that are whole
// with it. Done is called when all of these are settled; a Record that only is part of
// one is the Agent's from now on, until its Message is.
func (a *Agent) receiveSession(rec usp.Record, from usp.EndpointID, done func(error)) error {
	a.lock()
	defer a.unlock()
	if a.asleep {
		return errAsleep
	}
	hdr := rec.Header()
	a.noteVersion(from, commonVersion(hdr.Version))
	c := a.contextOf(from)
	if c == nil {
		a.refuseContext(from, "session contexts are not allowed", usp.CodeSessionContextNotAllowed) // [R-E2E.6a]
		a.outcomes = append(a.outcomes, func() { done(nil) })
		return nil
	}
	if len(a.lanes.inFlight) >= a.host.opts.Inbox {
		return ErrInboxFull
	}
	out := c.Receive(time.Now(), rec)
	if errors.Is(out.Failure, e2e.ErrTLS) {
		a.refuseContext(from, e2e.ErrTLS.Error(), usp.CodeSecureSessionNotSupported) // [R-E2E.41]
	}
	a.moved(from, c, out)
	settled := all(len(out.Messages), done)
	if len(out.Messages) == 0 {
		a.outcomes = append(a.outcomes, func() { done(nil) })
	}
	for _, payload := range out.Messages {
		a.enterMessage(&message{from: from, version: hdr.Version, payload: payload, session: true, done: settled})
	}
	return nil
}

// all returns what calls done at its n-th call, with the first error of all.
func all(n int, done func(error)) func(error) {
	if n == 1 {
		return done
	}
	var left atomic.Int64
	var failed atomic.Pointer[error]
	left.Store(int64(n))
	return func(err error) {
		if err != nil {
			failed.CompareAndSwap(nil, &err)
		}
		if left.Add(-1) > 0 {
			return
		}
		if first := failed.Load(); first != nil {
			err = *first
		}
		done(err)
	}
}

// enterMessage takes a Message that came in a Session Context. It was taken in, and is
// not refused for want of room: what a Record completes is bounded by the Session. The
// lock is held.
func (a *Agent) enterMessage(m *message) {
	r, answered := a.parse(m)
	if r == nil {
		if answered != "" {
			a.notifyAnswered(m.from, answered)
		}
		a.outcomes = append(a.outcomes, func() { m.done(nil) })
		return
	}
	if err := a.enter(r); err != nil {
		a.outcomes = append(a.outcomes, func() { r.settle(err) })
	}
}

// refuseContext answers a Record with a DisconnectRecord. The lock is held.
func (a *Agent) refuseContext(to usp.EndpointID, why string, code usp.Code) {
	a.host.metrics.contexts.WithLabelValues(contextRefused).Inc()
	a.post(usp.NewDisconnect(a.id, to, why, code))
}

// contextOf returns the Session with a Controller, made if need be, with the settings
// of now; nil where there may be none. The lock is held.
func (a *Agent) contextOf(peer usp.EndpointID) *sessionContext {
	if a.sessionMode(peer) == SessionForbid || !a.mayControl(peer) && !a.isController(peer) {
		return nil
	}
	c := a.contexts[peer]
	if c == nil {
		for len(a.contexts) >= max(len(a.local.rows[controllerTable]), a.host.opts.LearnedControllers) {
			a.dropContext(a.idleContext())
		}
		c = &sessionContext{Session: e2e.New(e2e.Options{
			Local: a.id, Remote: peer, NewID: a.host.opts.Records.SessionID,
			MaxMessage: a.host.opts.Records.MaxMessage,
		})}
		if a.contexts == nil {
			a.contexts = make(map[usp.EndpointID]*sessionContext)
		}
		a.contexts[peer] = c
	}
	c.used = time.Now()
	c.Configure(a.sessionSettings(peer))
	return c
}

// idleContext returns whose Session was used longest ago. The lock is held.
func (a *Agent) idleContext() usp.EndpointID {
	var idle usp.EndpointID
	for peer, c := range a.contexts {
		if idle == "" || c.used.Before(a.contexts[idle].used) {
			idle = peer
		}
	}
	return idle
}

// dropContext forgets the Session with a Controller. The lock is held.
func (a *Agent) dropContext(peer usp.EndpointID) {
	if c := a.contexts[peer]; c != nil {
		a.host.timers.stop(c.timer)
		delete(a.contexts, peer)
		a.host.metrics.contexts.WithLabelValues(contextEnded).Inc()
	}
}

// moved takes note of what came of a call of a Session: its Records leave, and what is
// due later has its timer. The lock is held.
func (a *Agent) moved(peer usp.EndpointID, c *sessionContext, out e2e.Output) {
	for _, rec := range out.Records {
		a.post(rec)
	}
	if out.Failure != nil {
		a.host.metrics.contexts.WithLabelValues(contextFailed).Inc()
		a.log.Debug("a Record of a Session Context was not accepted",
			zap.String("from", string(peer)), zap.Error(out.Failure))
	}
	if id := c.ID(); id != c.id && id != 0 {
		a.host.metrics.contexts.WithLabelValues(contextStarted).Inc()
	}
	c.id = c.ID()
	a.armContext(peer, c)
}

// armContext waits for what the Session has to do next. It wakes no Agent that sleeps.
func (a *Agent) armContext(peer usp.EndpointID, c *sessionContext) {
	a.host.timers.stop(c.timer)
	c.timer = nil
	next := c.Next()
	if next.IsZero() {
		return
	}
	var tm *timer
	tm = a.host.after(time.Until(next), func() {
		a.lock()
		defer a.unlock()
		if !a.asleep && c.timer == tm && a.contexts[peer] == c {
			a.moved(peer, c, c.Tick(time.Now()))
		}
	})
	c.timer = tm
}

// sendIn sends a Message in a Session Context. The lock is held.
func (a *Agent) sendIn(peer usp.EndpointID, c *sessionContext, payload []byte) {
	out, err := c.Send(time.Now(), payload)
	if err != nil {
		a.host.metrics.dropped.Inc()
		a.log.Debug("a Message could not be sent in a Session Context", zap.String("to", string(peer)), zap.Error(err))
	}
	a.moved(peer, c, out)
}

// reply sends the answer to a request: in a Session Context if the request came in one
// [R-MSG.0a]. If the Controller has ended that, nobody waits for the answer. The lock is
// held.
func (a *Agent) reply(r *request, payload []byte) {
	if !r.session {
		a.post(usp.NewNoSession(a.id, r.from, a.versionFor(r.from), payload))
		return
	}
	c := a.contexts[r.from]
	if c == nil {
		a.log.Debug("an answer has no Session Context any more", zap.String("to", string(r.from)))
		return
	}
	c.Configure(a.sessionSettings(r.from))
	a.sendIn(r.from, c, payload)
}

// endForbidden ends the contexts that may not be any more, after the answer to whoever
// has said so [R-E2E.6b]. The lock is held.
func (a *Agent) endForbidden() {
	for peer := range a.contexts {
		if a.sessionMode(peer) == SessionForbid {
			a.dropContext(peer)
			a.post(usp.NewDisconnect(a.id, peer, "session contexts are not allowed any more",
				usp.CodeSessionContextTerminated))
		}
	}
}

// disconnected forgets the Session with a Controller that has sent a DisconnectRecord
// [R-MTP.7].
func (a *Agent) disconnected(peer usp.EndpointID) {
	a.lock()
	defer a.unlock()
	a.dropContext(peer)
}

// contextsBusy reports that a Session is in the middle of something. The lock is held.
func (a *Agent) contextsBusy() bool {
	now := time.Now()
	for _, c := range a.contexts {
		if c.Busy(now) {
			return true
		}
	}
	return false
}

// restContexts takes the Sessions out of an Agent that has left the memory.
func (a *Agent) restContexts() map[usp.EndpointID]*sessionContext {
	a.mu.Lock()
	defer a.mu.Unlock()
	kept := a.contexts
	for _, c := range kept {
		a.host.timers.stop(c.timer)
		c.timer = nil
		c.Rest()
	}
	a.contexts = nil
	return kept
}

// resumeContexts goes on with the Sessions of an Agent that has slept. The lock is held.
func (a *Agent) resumeContexts(kept map[usp.EndpointID]*sessionContext) {
	a.contexts = kept
	for peer, c := range kept {
		a.armContext(peer, c)
	}
}
