// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// request is one Request in hand.
type request struct {
	agent   *Agent
	from    usp.EndpointID
	id      string
	version string
	digest  uint64    // of the encoded Message
	until   time.Time // how long it may wait for the CPE, from its arrival on
	req     *uspmsg.Request
	handler handler
	bad     *usp.Error // a Message or Record that is answered with this alone
	done    func(error)
	// session: it came in a Session Context, and is answered in one. Otherwise its answer
	// has room in a Record of maxRecord bytes, 0: of any size.
	session   bool
	maxRecord int

	early   bool        // settle it once it is in hand, if it writes: in the journal
	holding bool        // the lane
	settled atomic.Bool // done was called
	unhold  func()      // lets the session of the CPE end
	// journalled: the answer is in the journal. Then is run, with the lock held, once it
	// is and has been sent: what must not happen if the request is answered with an
	// error after all.
	journalled bool
	then       []func()
	// answer, unless nil, takes the reply instead of a Record, nil where none is wanted, or
	// why there is none; once, without the lock.
	answer func(reply []byte, err error)
	// wrote: it was a write under way, and is not any more: the next one may start.
	wrote bool
}

type requestKey struct {
	from usp.EndpointID
	id   string
}

// lanes is the order of work of one Agent. Requests start in the order in which
// they came, one at a time; a request that has to wait for the CPE leaves the
// lane for the next. Writes do not overtake each other: while one is under way
// the next waits, and reads pass it.
type lanes struct {
	inbox    []*request
	inFlight map[requestKey]bool
	taken    bool // somebody holds the lane
	writing  bool // a write is under way
}

func (l *lanes) init() { l.inFlight = make(map[requestKey]bool) }

// next takes the first request that may start.
func (l *lanes) next() *request {
	if l.taken {
		return nil
	}
	for i, r := range l.inbox {
		if r.handler.write && l.writing {
			continue
		}
		l.inbox = append(l.inbox[:i:i], l.inbox[i+1:]...)
		l.taken, r.holding = true, true
		l.writing = l.writing || r.handler.write
		return r
	}
	return nil
}

// accept puts a request into the inbox. One that is in hand already is ignored
// [R-MSG.4].
func (a *Agent) accept(r *request) error {
	a.lock()
	defer a.unlock()
	if a.asleep {
		return errAsleep
	}
	return a.enter(r)
}

// enter is accept with the lock held.
func (a *Agent) enter(r *request) error {
	key := requestKey{r.from, r.id}
	if a.lanes.inFlight[key] && r.answer != nil {
		return ErrInboxFull // it cannot be ignored
	}
	if a.lanes.inFlight[key] {
		a.outcomes = append(a.outcomes, func() { r.settle(nil) })
		return nil
	}
	if len(a.lanes.inFlight) >= a.host.opts.Inbox && !r.session {
		return ErrInboxFull
	}
	if a.bound(r); r.bad == nil {
		r.handler = handlerFor(r.req)
	}
	a.noteVersion(r.from, r.version)
	if r.until.IsZero() {
		r.until = time.Now().Add(a.host.opts.deadline(r.from))
	}
	a.lanes.inFlight[key] = true
	a.lanes.inbox = append(a.lanes.inbox, r)
	// It has arrived, as at any Agent. The other half are settled when they are
	// answered: somebody who was told that the inbox is full hears of that.
	r.early = len(a.lanes.inFlight) <= a.host.opts.Inbox/2
	if r.early && !r.handler.write {
		a.outcomes = append(a.outcomes, func() { r.settle(nil) })
	}
	a.start()
	return nil
}

// call sends an RPC that only reads. The next request may start meanwhile.
// The session is held until the request is answered.
func (r *request) call(ctx context.Context, rpc cwmp.Request) (cwmp.Response, error) {
	r.leaveLane()
	dev := r.agent.device()
	if r.unhold == nil {
		r.unhold = dev.Hold()
	}
	return dev.Call(ctx, rpc)
}

// write sends an RPC that changes something; the journal learns of it before it
// leaves.
func (r *request) write(ctx context.Context, rpc cwmp.Request) (cwmp.Response, error) {
	a := r.agent
	var number atomic.Uint64 // 0 until it leaves
	resp, err := r.call(device.OnWire(ctx, func() error {
		if err := a.Commit(); err != nil { // what is expected to come of it, a boot say
			return err
		}
		if err := a.host.opts.Journal.OnWire(r.journalKey()); err != nil {
			return fmt.Errorf("agent: journal: %w", err)
		}
		number.Store(a.departed.Add(1))
		return nil
	}), rpc)
	a.lock()
	defer a.unlock()
	a.settled = max(a.settled, number.Load())
	return resp, err
}

// journalKey names the request. A digest of the Message is part of it: there are
// Controllers that count msg_ids from the start again, and another request with
// an old msg_id is no repetition.
func (r *request) journalKey() device.Key {
	return device.Key{
		To: string(r.agent.id), From: string(r.from), MsgID: r.id + "#" + strconv.FormatUint(r.digest, 36),
	}
}

// start runs what may be started. Once the Host is closed nothing is, and what
// waits learns of it. The lock is held.
func (a *Agent) start() {
	for r := a.lanes.next(); r != nil && !a.host.spawn(r.run); r = a.lanes.next() {
		r.holding, a.lanes.taken, a.lanes.writing = false, false, false
		delete(a.lanes.inFlight, requestKey{r.from, r.id})
		a.outcomes = append(a.outcomes, func() { r.settle(ErrClosed) })
		r.respond(nil, ErrClosed)
	}
}

// leaveLane lets the next request start while r waits for the CPE.
func (r *request) leaveLane() {
	a := r.agent
	a.lock()
	defer a.unlock()
	r.release()
}

// release is leaveLane with the lock held.
func (r *request) release() {
	if r.holding {
		r.holding = false
		r.agent.lanes.taken = false
		r.agent.start()
	}
}

// settle calls done, once.
func (r *request) settle(err error) {
	if r.settled.CompareAndSwap(false, true) {
		r.done(err)
	}
}

// run executes the request and answers it.
func (r *request) run(ctx context.Context) {
	a := r.agent
	ctx, cancel := context.WithDeadline(ctx, r.until)
	defer cancel()
	began := time.Now()
	reply, result := r.reply(ctx)
	if r.unhold != nil {
		r.letGo()
	}
	a.host.metrics.translated.WithLabelValues(r.handler.label(), result).Inc()
	a.log.Debug("request answered", zap.String("from", string(r.from)), zap.String("msg_id", r.id),
		zap.String("msg_type", r.handler.label()), zap.String("result", result), zap.Duration("took", time.Since(began)))
	a.lock()
	r.respond(reply, nil)
	delete(a.lanes.inFlight, requestKey{r.from, r.id})
	if r.handler.write && !r.wrote {
		a.lanes.writing = false
	}
	r.release()
	a.start()
	a.unlock()
	r.settle(nil)
	if r.journalled {
		a.answered(r)
	}
}

// letGo lets the session end: after Options.Linger, as a Controller that has
// asked once often asks again, and CPE take few Connection Requests; at once
// after a command, which the CPE may carry out when the session is over.
func (r *request) letGo() {
	if linger := r.agent.host.opts.Linger; linger > 0 && r.req.GetOperate() == nil {
		r.agent.host.after(linger, r.unhold)
		return
	}
	r.unhold()
}

// reply returns the encoded answer, nil for none, and its label in the metrics.
// A writing request is executed once: a repeated one gets the journalled reply.
func (r *request) reply(ctx context.Context) (payload []byte, result string) {
	if !r.handler.write || r.bad != nil {
		return r.execute(ctx)
	}
	key := r.journalKey()
	entry, err := r.agent.host.opts.Journal.Begin(key)
	switch {
	case errors.Is(err, device.ErrBusy):
		return r.encode(errorMsg(&usp.Error{Code: usp.CodeResourcesExceeded, Text: "too many requests in hand"})), "error"
	case err != nil:
		r.agent.log.Error("the journal does not take a request", zap.Error(err))
		return r.encode(errorMsg(&usp.Error{Code: usp.CodeInternalError, Text: "the journal is not available"})), "error"
	case entry.State == device.StateAnswered:
		return entry.Reply, "repeated"
	case entry.State != device.StateNew: // a previous process died over it; see recover
		if r.agent.withdraw(key) {
			entry.State = device.StateOnWire
		}
		if entry.State == device.StateOnWire {
			r.agent.doubtAll()
		}
		payload, result = r.encode(errorMsg(leftBehind(entry.State))), "unknown"
	default:
		if r.early { // whatever happens now, it will be answered
			r.settle(nil)
		}
		payload, result = r.execute(ctx)
	}
	if err := r.agent.Commit(); err != nil {
		r.agent.log.Error("what a request has changed is not saved", zap.Error(err))
		payload, result = r.encode(errorMsg(outcomeUnknown("",
			"it was done, but the gateway could not save what it changed, and may forget it"))), "unknown"
	}
	if err := r.agent.host.opts.Journal.Answer(key, payload); err != nil {
		r.agent.log.Error("the journal does not take a reply", zap.Error(err))
	}
	r.journalled = true
	return payload, result
}

// execute runs the handler.
func (r *request) execute(ctx context.Context) (payload []byte, result string) {
	bad := r.bad
	if bad == nil {
		bad = r.admit()
	}
	if bad == nil && r.handler.serve == nil {
		bad = &usp.Error{Code: usp.CodeMessageNotSupported, Text: "this Message is not for an Agent, or not known"}
	}
	if bad != nil {
		return r.fit(errorMsg(bad), "error")
	}
	resp, fail := r.serve(ctx)
	switch {
	case fail != nil:
		return r.fit(&uspmsg.Body{MsgBody: &uspmsg.Body_Error{Error: fail}}, "error")
	case resp == nil:
		return nil, "ok"
	default:
		return r.fit(&uspmsg.Body{MsgBody: &uspmsg.Body_Response{Response: inVersion(r.version, resp)}}, "ok")
	}
}

// encode makes the Message that answers r [R-MSG.9].
func (r *request) encode(body *uspmsg.Body) []byte {
	typ := uspmsg.Header_ERROR
	if body.GetResponse() != nil {
		typ = r.handler.answer
	}
	payload, err := marshal.Marshal(&uspmsg.Msg{Header: &uspmsg.Header{MsgId: r.id, MsgType: typ}, Body: body})
	if err == nil {
		return payload
	}
	// A CPE may send what is no UTF-8.
	r.agent.log.Warn("an answer could not be encoded", zap.Error(err))
	return encodeError(r.id, &usp.Error{Code: usp.CodeInternalError, Text: "the answer cannot be encoded"})
}

// encodeError makes the Error that answers the Message msgID.
func encodeError(msgID string, e *usp.Error) []byte {
	header := &uspmsg.Header{MsgId: msgID, MsgType: uspmsg.Header_ERROR}
	payload, err := marshal.Marshal(&uspmsg.Msg{Header: header, Body: errorMsg(e)})
	if err != nil {
		return nil
	}
	return payload
}

func errorMsg(e *usp.Error) *uspmsg.Body {
	return &uspmsg.Body{MsgBody: &uspmsg.Body_Error{Error: &uspmsg.Error{ErrCode: uint32(e.Code), ErrMsg: e.Text}}}
}
