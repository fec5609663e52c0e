// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"net/http"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// reach brings a new session into a state: what the CPE holds then, and how the
// session ends if the POST under test breaks it.
func reach(t *testing.T, state string, o acs.Options) (p *cpe, h *script, id string) {
	t.Helper()
	h = &script{next: []cwmp.Request{getDevice, &cwmp.Reboot{CommandKey: "r"}}}
	p = newCPE(t, serve(t, h, o))
	switch state {
	case "IDLE":
	case "AUTH":
		p.post(inform("1")).want(http.StatusUnauthorized)
	case "CPE_TURN":
		p.post(inform("1")).envelope("InformResponse")
	case "ACS_TURN":
		p.post(inform("1")).envelope("InformResponse")
		id = p.post("").envelope("GetParameterValues").ID
	case "CLOSED":
		h.next = nil
		p.post(inform("1")).envelope("InformResponse")
		p.post("").want(http.StatusNoContent)
		h.wantClosed(t, nil)
	default:
		t.Fatalf("no state %s", state)
	}
	return p, h, id
}

// The rows of the table of states: the state, what the CPE posts, what it gets, and
// what it posts next to show in which state the session is then.
func TestStates(t *testing.T) {
	t.Parallel()
	const (
		idle, auth, cpeTurn, acsTurn, closed = "IDLE", "AUTH", "CPE_TURN", "ACS_TURN", "CLOSED"
		fault                                = "Fault"
	)
	kicked := `<cwmp:Kicked><Command>c</Command><Referer>r</Referer><Arg>a</Arg><Next>n</Next></cwmp:Kicked>`
	autonomous := `<cwmp:AutonomousTransferComplete/>`
	for _, tc := range []struct {
		state, name, post string
		code              int
		method            string // of the envelope with 200; empty: none
		next              string // state after it
	}{
		{idle, "Inform", inform("1"), 200, "InformResponse", cpeTurn},
		{idle, "empty", "", 400, "", closed},
		{idle, "request", message("2", complete), 400, "", closed},
		{idle, "response", message("2", getValues), 400, "", closed},
		{idle, "malformed", "<x", 400, "", closed},
		{auth, "Inform without credentials", inform("1"), 401, "", auth},
		{auth, "empty", "", 401, "", auth},
		{cpeTurn, "TransferComplete", message("2", complete), 200, "TransferCompleteResponse", cpeTurn},
		{cpeTurn, "GetRPCMethods", message("2", methodsOfACS), 200, "GetRPCMethodsResponse", cpeTurn},
		{cpeTurn, "Kicked", message("2", kicked), 200, fault, cpeTurn},
		{cpeTurn, "AutonomousTransferComplete", message("2", autonomous), 200, fault, cpeTurn},
		{cpeTurn, "unknown method", message("2", unknownRequest), 200, fault, cpeTurn},
		{cpeTurn, "the same Inform", inform("1"), 200, "InformResponse", cpeTurn},
		{cpeTurn, "another Inform", inform("2"), 200, "InformResponse", cpeTurn},
		{cpeTurn, "empty", "", 200, "GetParameterValues", acsTurn},
		{cpeTurn, "a response to nothing", message("2", getValues), 200, "GetParameterValues", acsTurn},
		{cpeTurn, "malformed", "<x", 400, "", closed},
		{acsTurn, "response", message("ID", getValues), 200, "Reboot", acsTurn},
		{acsTurn, "Fault", message("ID", clientFault), 200, "Reboot", acsTurn},
		{acsTurn, "empty", "", 200, "GetParameterValues", acsTurn},
		{acsTurn, "request", message("9", complete), 200, "TransferCompleteResponse", acsTurn},
		{acsTurn, "Inform", inform("1"), 200, "InformResponse", cpeTurn},
		{acsTurn, "malformed", "<x", 400, "", closed},
		{closed, "empty", "", 204, "", closed},
		{closed, "request", message("2", complete), 400, "", closed},
		{closed, "response", message("2", getValues), 400, "", closed},
		{closed, "Inform", inform("1"), 200, "InformResponse", cpeTurn},
	} {
		t.Run(tc.state+"/"+tc.name, func(t *testing.T) {
			t.Parallel()
			o := acs.Options{}
			if tc.state == auth {
				o.Auth = newAccess(t, acs.AccessOptions{})
			}
			p, h, id := reach(t, tc.state, o)
			h.onRequest = func(req cwmp.Request) (cwmp.Response, error) {
				if req.Method() == "TransferComplete" {
					return &cwmp.TransferCompleteResponse{}, nil
				}
				return &cwmp.Fault{Code: cwmp.FaultACSMethodNotSupported}, nil
			}
			post := tc.post
			if tc.post == message("ID", getValues) || tc.post == message("ID", clientFault) {
				post = message(id, getValues)
			}
			a := p.post(post).want(tc.code)
			if tc.method != "" {
				a.envelope(tc.method)
			}
			probe(t, p, h, tc.next)
		})
	}
}

// probe checks by one POST in which state a session is.
func probe(t *testing.T, p *cpe, h *script, state string) {
	t.Helper()
	switch state {
	case "AUTH":
		p.post("").want(http.StatusUnauthorized)
	case "CPE_TURN": // the ACS has its turn yet to come
		if a := p.post(""); a.code != http.StatusNoContent || len(h.next) > 0 {
			a.envelope("GetParameterValues")
		}
	case "ACS_TURN": // two empty POSTs more, and the request is lost
		for range 3 {
			if p.post("").code == http.StatusNoContent {
				h.wantClosed(t, acs.ErrLost)
				return
			}
		}
		t.Fatal("got no end, want a request outstanding")
	case "CLOSED":
		p.post(message("1", complete)).want(http.StatusBadRequest)
	default:
		t.Fatalf("no state %s", state)
	}
}

// A CPE that asks to be sent a request again gets it again, also one that is sent
// only once otherwise; but not for ever [TR-069 A.5.2: 8005].
func TestRetryRequestOfTheCPE(t *testing.T) {
	t.Parallel()
	again := message("1", `<s:Fault><faultcode>Client</faultcode><faultstring>CWMP fault</faultstring><detail>`+
		`<cwmp:Fault><FaultCode>8005</FaultCode><FaultString>Retry request</FaultString></cwmp:Fault></detail></s:Fault>`)
	added := `<cwmp:AddObjectResponse><InstanceNumber>7</InstanceNumber><Status>0</Status></cwmp:AddObjectResponse>`
	h := &script{next: []cwmp.Request{
		&cwmp.AddObject{ObjectName: "InternetGatewayDevice.X."}, &cwmp.AddObject{ObjectName: "InternetGatewayDevice.Y."},
	}}
	p := newCPE(t, serve(t, h, acs.Options{}))
	p.post(inform("1")).envelope("InformResponse")
	first := p.post("").envelope("AddObject").ID
	if id := p.post(again).envelope("AddObject").ID; id != first {
		t.Fatalf("got ID %q, want %q again", id, first)
	}
	p.post(message(first, added)).envelope("AddObject")
	for range 3 {
		p.post(again).envelope("AddObject")
	}
	p.post(again).want(http.StatusNoContent)
	h.wantClosed(t, nil)
	f, ok := h.answers[1].(*cwmp.Fault)
	if len(h.answers) != 2 || !ok || f.Code != cwmp.FaultACSRetryRequest {
		t.Fatalf("got %+v, want an instance and then fault 8005", h.answers)
	}
}

// An ACS that asks for the Inform, or a request, again gets it again.
func TestRetryRequestOfTheACS(t *testing.T) {
	t.Parallel()
	busy := &cwmp.Fault{Code: cwmp.FaultACSRetryRequest, Text: "Retry request"}
	informs, requests := 0, 0
	h := &script{
		refuse: func(acs.Info) error {
			if informs++; informs == 1 {
				return busy
			}
			return nil
		},
		onRequest: func(cwmp.Request) (cwmp.Response, error) {
			if requests++; requests == 1 {
				return busy, nil
			}
			return &cwmp.TransferCompleteResponse{}, nil
		},
	}
	p := newCPE(t, serve(t, h, acs.Options{}))
	p.post(inform("1")).fault(cwmp.FaultACSRetryRequest)
	p.post(inform("1")).envelope("InformResponse")
	p.post(message("2", complete)).fault(cwmp.FaultACSRetryRequest)
	p.post(message("2", complete)).envelope("TransferCompleteResponse")
	p.post("").want(http.StatusNoContent)
	h.wantClosed(t, nil)
}
