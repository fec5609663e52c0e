// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

const oddSSID = "Device.WiFi.SSID.1.SSID"

// odd runs a CPE that answers as twist has it until it is discovered, and returns what
// it was asked.
func odd(
	t *testing.T, twist func(cwmp.Request, cwmp.Response, error) (cwmp.Response, error), then func(*rig),
) []cwmp.Request {
	t.Helper()
	var rpcs []cwmp.Request
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer r.stop()
		r.answers = make(chan *uspmsg.Msg, 16)
		r.cpe.before = func(req cwmp.Request) { rpcs = append(rpcs, req) }
		r.cpe.twist = twist
		r.meet(r.cpe)
		then(r)
	})
	return rpcs
}

// shows asserts what a Controller reads of the SSID.
func (r *rig) shows(t *testing.T, want string) {
	t.Helper()
	msg := r.words(t, "Get", oddSSID)
	results := msg.GetBody().GetResponse().GetGetResp().GetReqPathResults()
	if len(results) != 1 || len(results[0].GetResolvedPathResults()) != 1 {
		t.Fatalf("got %v, want the SSID", msg)
	}
	if got := results[0].GetResolvedPathResults()[0].GetResultParams()["SSID"]; got != want {
		t.Errorf("got SSID %q, want %q", got, want)
	}
}

// A CPE that takes NextLevel as a word only is asked so from then on.
func TestQuirk49NextLevelWords(t *testing.T) {
	t.Parallel()
	refuse := func(req cwmp.Request, resp cwmp.Response, err error) (cwmp.Response, error) {
		if m, ok := req.(*cwmp.GetParameterNames); ok && !m.Words {
			return nil, &cwmp.Fault{Code: cwmp.FaultInvalidArguments}
		}
		return resp, err
	}
	asked := namesAsked(odd(t, refuse, func(r *rig) { r.shows(t, r.cpe.cells[oddSSID].value) }))
	digits := slices.IndexFunc(asked, func(m cwmp.GetParameterNames) bool { return m.Words })
	if digits < 1 || slices.ContainsFunc(asked[digits:], func(m cwmp.GetParameterNames) bool { return !m.Words }) {
		t.Errorf("got %+v, want digits first, and words since they were taken", asked)
	}
}

// A CPE whose sessions break under many names is asked for fewer.
func TestQuirk53BreaksOff(t *testing.T) {
	t.Parallel()
	const most = 3
	breakOff := func(req cwmp.Request, resp cwmp.Response, err error) (cwmp.Response, error) {
		if m, ok := req.(*cwmp.GetParameterValues); ok && len(m.Names) > most {
			return nil, fmt.Errorf("%w: broken off", device.ErrOutcomeUnknown)
		}
		return resp, err
	}
	odd(t, breakOff, func(r *rig) { r.shows(t, r.cpe.cells[oddSSID].value) })
}

// A CPE that gives no values by object is asked for those of each parameter.
func TestQuirk54NoPartialPaths(t *testing.T) {
	t.Parallel()
	refuse := func(req cwmp.Request, resp cwmp.Response, err error) (cwmp.Response, error) {
		if m, ok := req.(*cwmp.GetParameterValues); ok && slices.ContainsFunc(m.Names, cwmp.IsPartialPath) {
			return nil, &cwmp.Fault{Code: cwmp.FaultInvalidParameterName}
		}
		return resp, err
	}
	asked := valuesAsked(odd(t, refuse, func(r *rig) { r.shows(t, r.cpe.cells[oddSSID].value) }))
	objects := 0
	for _, names := range asked {
		if slices.ContainsFunc(names, cwmp.IsPartialPath) {
			objects++
		}
	}
	if objects > 8 {
		t.Errorf("got %d requests with objects, want only those by which it was found out", objects)
	}
}

// A write that a CPE has answered with 9002 has succeeded if it has the value.
func TestQuirk59FaultThoughSet(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{true, false} {
		odd(t, nil, func(r *rig) {
			r.cpe.plan(plan{
				method: "SetParameterValues", err: &cwmp.Fault{Code: cwmp.FaultInternalError}, apply: applied,
			})
			msg := r.words(t, "Set", "whole", "Device.WiFi.SSID.1.", "SSID!=Odd")
			if got := msg.GetBody().GetError() == nil; got != applied {
				t.Errorf("set %t: got %v", applied, msg)
			}
			want := r.cpe.cells[oddSSID].value
			if (want == "Odd") != applied {
				t.Errorf("set %t: got SSID %q in the CPE", applied, want)
			}
			r.shows(t, want)
		})
	}
}
