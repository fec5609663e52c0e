// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"go.uber.org/zap"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// tooLarge says that an answer does not fit into a Record of limit bytes.
func tooLarge(is string, size, limit int) string {
	return "the answer " + is + " a Record of " + number(size) + " bytes, MaxUSPRecordSize of this Controller is " +
		number(limit) + ": ask for less at once, or in a Session Context"
}

// bound says how a request that came may be answered, and refuses one outside a
// Session Context where there has to be one. The lock is held.
func (a *Agent) bound(r *request) {
	if r.session || r.answer != nil {
		return
	}
	r.maxRecord = a.recordSize(r.from)
	if r.bad == nil && a.sessionMode(r.from) == SessionRequire {
		r.bad = &usp.Error{
			Code: usp.CodeSecureSessionRequired, Text: "this Agent takes requests of this Controller in a Session Context only",
		}
	}
}

// meterFor is newMeter for what a request that writes is answered, before anything is
// changed: outside a Session Context the answer has to fit into one Record.
func (a *Agent) meterFor(r *request) *meter {
	m := a.newMeter()
	if r.maxRecord == 0 || !r.handler.write {
		return m
	}
	around := recordLen(a.id, r.from, r.version, 0) + len(r.id) + overResult
	if room := r.maxRecord - around; room < m.limit {
		m.limit, m.record, m.used = r.maxRecord, r.maxRecord, around
	}
	return m
}

// recordLen is the size of a Record without session context, with a Message of n bytes.
func recordLen(from, to usp.EndpointID, version string, n int) int {
	rec := usp.NewNoSession(from, to, version, nil)
	empty := rec.Len()
	if n == 0 {
		return empty
	}
	// build.go: the tag and the length of the payload, which is in the record type.
	inner := 1 + protowire.SizeBytes(n)
	return empty - protowire.SizeBytes(2) + protowire.SizeBytes(inner)
}

// fit encodes the answer to a request, or an Error where the Controller's
// MaxUSPRecordSize has no room for it.
func (r *request) fit(body *uspmsg.Body, result string) (payload []byte, label string) {
	payload = r.encode(body)
	if r.maxRecord == 0 {
		return payload, result
	}
	size := recordLen(r.agent.id, r.from, r.version, len(payload))
	if size <= r.maxRecord {
		return payload, result
	}
	text := tooLarge("is", size, r.maxRecord)
	switch e := body.GetError(); {
	case e != nil: // without what it is about in particular
		if text := e.GetErrMsg(); len(text) > maxErrorText {
			e.ErrMsg = text[:maxErrorText]
		}
		return r.encode(errorMsg(&usp.Error{Code: usp.Code(e.GetErrCode()), Text: e.GetErrMsg()})), result
	case r.handler.write: // meterFor has left no room for the errors of what could not be done
		return r.encode(errorMsg(outcomeUnknown("", "it was done, but "+text))), "unknown"
	default:
		return r.encode(errorMsg(&usp.Error{Code: usp.CodeResourcesExceeded, Text: text})), "error"
	}
}

// maxErrorText is the length of an err_msg that is cut to fit.
const maxErrorText = 100

// postPayload posts an encoded Message that is no answer to a request in hand: in the
// Session Context with the Controller if there is one, in a new one if there has to be,
// or if the Controller's MaxUSPRecordSize has no room for it otherwise. The lock is held.
func (a *Agent) postPayload(to usp.EndpointID, payload []byte) {
	mode, version := a.sessionMode(to), a.versionFor(to)
	limit := a.recordSize(to)
	large := limit > 0 && recordLen(a.id, to, version, len(payload)) > limit
	if mode == SessionRequire || mode == SessionAllow && (large || a.contexts[to] != nil) {
		if c := a.contextOf(to); c != nil {
			a.sendIn(to, c, payload)
			return
		}
	}
	if large {
		a.host.metrics.dropped.Inc()
		a.log.Warn("a Message is larger than the MaxUSPRecordSize of its Controller", zap.String("to", string(to)))
		return
	}
	a.post(usp.NewNoSession(a.id, to, version, payload))
}
