// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"strings"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp"
)

// leftBehind is how a request is answered that a previous process had in hand: one
// of which nothing had left never will be done; of one that was on the wire nobody
// knows.
func leftBehind(s device.State) *usp.Error {
	if s == device.StateOnWire {
		return outcomeUnknown("", "the gateway restarted while it was being done")
	}
	return &usp.Error{
		Code: usp.CodeInternalError, Text: "not done, and never will be: the gateway restarted before it was sent",
	}
}

// leftover is a request that a previous process has left behind.
type leftover struct {
	key   device.Key
	state device.State
}

// recover answers the requests that a previous process has left behind.
func (h *Host) recover(ctx context.Context) {
	for _, l := range h.left {
		if ctx.Err() != nil {
			return
		}
		if err := h.settleLeft(ctx, l.key, l.state); err != nil {
			h.log.Error("a request that was in hand before the restart stays unanswered",
				zap.String("endpoint_id", l.key.To), zap.String("from", l.key.From), zap.Error(err))
		}
	}
	h.left = nil
	h.recovered.Store(true)
}

func (h *Host) settleLeft(ctx context.Context, k device.Key, state device.State) error {
	h.registry.mu.Lock()
	e := h.registry.byID[usp.EndpointID(k.To)]
	h.registry.mu.Unlock()
	if e == nil { // the CPE is not known any more
		return h.opts.Journal.Forget(k) //nolint:wrapcheck // logged with what it was
	}
	a, err := h.need(ctx, e, nil)
	if err != nil {
		return err
	}
	if a.withdraw(k) {
		state = device.StateOnWire
	}
	if state == device.StateOnWire {
		a.doubtAll()
		if err := a.Commit(); err != nil { // first: it is not known from the journal any more then
			return err
		}
	}
	msgID := k.MsgID[:max(strings.LastIndexByte(k.MsgID, '#'), 0)]
	payload := encodeError(msgID, leftBehind(state))
	if err := h.opts.Journal.Answer(k, payload); err != nil {
		if errors.Is(err, device.ErrUnknownEntry) { // repeated meanwhile, and answered
			return nil
		}
		return err //nolint:wrapcheck // as above
	}
	if isAsked(msgID) { // who has asked was in this process
		return nil
	}
	a.lock()
	defer a.unlock()
	a.postPayload(usp.EndpointID(k.From), payload)
	return nil
}

// doubtAll has the whole CPE read in its next session: subscribers hear of what that
// finds.
func (a *Agent) doubtAll() {
	a.lock()
	defer a.unlock()
	a.fresh.forget()
	a.disc.due = true
	a.changed()
}
