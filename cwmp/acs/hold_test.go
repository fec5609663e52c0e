// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// holding is a script whose sessions have the CPE hold its requests before the
// first so many requests of the ACS.
type holding struct {
	script
	first int
}

func (h *holding) Open(ctx context.Context, in *cwmp.Inform, info acs.Info) (acs.Session, error) {
	s, err := h.script.Open(ctx, in, info)
	if err != nil {
		return nil, err
	}
	inner, _ := s.(*scripted)
	return &holder{scripted: inner, first: h.first}, nil
}

type holder struct {
	*scripted
	first int
}

// HoldRequests is true until that many requests are on their way.
func (h *holder) HoldRequests() bool { return len(h.script.next)-len(h.next) < h.first }

func hold(t *testing.T, e *cwmp.Envelope, want bool) {
	t.Helper()
	if e.HoldRequests != want {
		t.Fatalf("%s: got HoldRequests %v, want %v", e.Body.Method(), e.HoldRequests, want)
	}
}

func TestHoldRequests(t *testing.T) {
	methods := `<cwmp:GetRPCMethodsResponse><MethodList/></cwmp:GetRPCMethodsResponse>`
	t.Run("let go by the ACS", func(t *testing.T) {
		t.Parallel()
		h := &holding{script: script{next: []cwmp.Request{getDevice, getDevice}}, first: 2}
		p := newCPE(t, serveAny(t, h, acs.Options{}))
		hold(t, p.post(inform("1")).envelope("InformResponse"), true)
		get := p.post("").envelope("GetParameterValues")
		hold(t, get, true)
		get = p.post(message(get.ID, getValues)).envelope("GetParameterValues")
		hold(t, get, false)
		// The ACS is done; what the CPE has held comes now.
		p.post(message(get.ID, getValues)).want(http.StatusNoContent)
		hold(t, p.post(message("2", complete)).envelope("TransferCompleteResponse"), false)
		p.post("").want(http.StatusNoContent)
		h.wantClosed(t, nil)
		if len(h.answers) != 2 || len(h.requests) != 1 {
			t.Fatalf("got %d answers and %d requests, want 2 and 1", len(h.answers), len(h.requests))
		}
	})
	t.Run("let go by the Server", func(t *testing.T) {
		t.Parallel()
		h := &holding{script: script{next: []cwmp.Request{getDevice}}, first: 9}
		p := newCPE(t, serveAny(t, h, acs.Options{}))
		hold(t, p.post(inform("1")).envelope("InformResponse"), true)
		get := p.post("").envelope("GetParameterValues")
		hold(t, get, true)
		hold(t, p.post(message("2", complete)).envelope("TransferCompleteResponse"), true) // it does not hold
		let := p.post(message(get.ID, getValues)).envelope("GetRPCMethods")
		hold(t, let, false)
		p.post(message(let.ID, methods)).want(http.StatusNoContent)
		p.post(message("3", complete)).envelope("TransferCompleteResponse")
		p.post("").want(http.StatusNoContent)
		h.wantClosed(t, nil)
		if len(h.answers) != 1 || len(h.requests) != 2 {
			t.Fatalf("got %d answers and %d requests, want 1 and 2", len(h.answers), len(h.requests))
		}
	})
	t.Run("let go with an empty POST", func(t *testing.T) {
		t.Parallel()
		h := &holding{first: 9}
		p := newCPE(t, serveAny(t, h, acs.Options{}))
		hold(t, p.post(inform("1")).envelope("InformResponse"), true)
		hold(t, p.post("").envelope("GetRPCMethods"), false)
		p.post("").want(http.StatusNoContent)
		p.post("").want(http.StatusNoContent)
		h.wantClosed(t, nil)
	})
	t.Run("and the CPE leaves", func(t *testing.T) {
		t.Parallel()
		h := &holding{first: 9}
		p := newCPE(t, serveAny(t, h, acs.Options{VanishGrace: time.Millisecond}))
		p.post(inform("1")).envelope("InformResponse")
		let := p.post("").envelope("GetRPCMethods")
		p.post(message(let.ID, methods)).want(http.StatusNoContent)
		p.hangUp()
		h.wantClosed(t, nil) // a good end: it had nothing to say
	})
}
