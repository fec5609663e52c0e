// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
)

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	t.Cleanup(cancel)
	return ctx
}

func TestGetWakesASleepingCPE(t *testing.T) {
	t.Parallel()
	gw := harness.Start(t, "translate: {freshness: 0s}\n")
	c := gw.CPE("tr098-dsl", nil)
	north := gw.Controller(gw.WS(), "self::north")
	begin := time.Now()
	resp, err := north.Get(deadline(t), c.Agent, 0, "Device.WiFi.SSID.1.SSID")
	if err != nil {
		t.Fatal(err)
	}
	want, _ := c.Value(rawSSID["tr098-dsl"])
	if got := controller.Params(resp)["Device.WiFi.SSID.1.SSID"]; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	s := <-c.Sessions()
	if len(s.Events) != 1 || s.Events[0].Code != "6 CONNECTION REQUEST" {
		t.Errorf("got events %v, want 6 CONNECTION REQUEST", s.Events)
	}
	t.Logf("answered after %v", time.Since(begin))
}

// A Controller that asks one thing after the other wakes the CPE once.
func TestRequestsInARowShareASession(t *testing.T) {
	t.Parallel()
	gw := harness.Start(t, "translate: {freshness: 0s, linger: 2s}\n")
	c := gw.CPE("tr098-dsl", nil)
	north := gw.Controller(gw.WS(), "self::north")
	for range 5 {
		if _, err := north.Get(deadline(t), c.Agent, 0, "Device.WiFi.SSID.1.SSID"); err != nil {
			t.Fatal(err)
		}
	}
	s := <-c.Sessions()
	if got := len(s.Methods); got != 5 {
		t.Errorf("got %d RPCs in the first session, want all 5: %v", got, s.Methods)
	}
}

// errorCode is the code of an Error Message.
func errorCode(err error) usp.Code {
	var e *usp.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func TestCPEOff(t *testing.T) {
	t.Parallel()
	gw := harness.Start(t, "translate: {freshness: 0s, deadline: 500ms}\n")
	c := gw.CPE("tr098-dsl", nil)
	before, _ := c.Value(rawSSID["tr098-dsl"])
	north := gw.Controller(gw.WS(), "self::north")
	c.Off()

	resp, err := north.Get(deadline(t), c.Agent, 0, "Device.WiFi.SSID.1.SSID", "Device.LocalAgent.EndpointID")
	if err != nil {
		t.Fatal(err)
	}
	results := resp.GetReqPathResults()
	if got := usp.Code(results[0].GetErrCode()); got != usp.CodeInternalError {
		t.Errorf("Get: got %d, want 7003 for the path of the CPE", got)
	}
	if got := results[1].GetErrCode(); got != 0 {
		t.Errorf("Get: got %d for a path that needs no CPE, want success", got)
	}
	set := controller.Update("Device.WiFi.SSID.1.", map[string]string{"SSID": "never"})
	if _, err := north.Set(deadline(t), c.Agent, false, set); errorCode(err) != usp.CodeInternalError {
		t.Errorf("Set, all or nothing: got %v, want Error 7003", err)
	}
	partial, err := north.Set(deadline(t), c.Agent, true, set)
	if err != nil {
		t.Fatal(err)
	}
	failure := partial.GetUpdatedObjResults()[0].GetOperStatus().GetOperFailure()
	if got := usp.Code(failure.GetErrCode()); got != usp.CodeInternalError {
		t.Errorf("Set, allow_partial: got %d, want oper_failure 7003", got)
	}
	add := controller.Create("Device.NAT.PortMapping.", map[string]string{"ExternalPort": "1"})
	if _, err := north.Add(deadline(t), c.Agent, false, add); errorCode(err) != usp.CodeInternalError {
		t.Errorf("Add: got %v, want Error 7003", err)
	}
	op, err := north.Operate(deadline(t), c.Agent, "Device.Reboot()", "key", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := usp.Code(op.GetOperationResults()[0].GetCmdFailure().GetErrCode()); got != usp.CodeCommandFailure &&
		op.GetOperationResults()[0].GetReqObjPath() == "" {
		t.Errorf("Operate: got %d, want cmd_failure 7022 or a Request", got)
	}

	c.On()
	s := <-c.Sessions()
	for ; s.Err != nil || !s.Informed; s = <-c.Sessions() {
		continue
	}
	for _, method := range s.Methods {
		if method == "SetParameterValues" || method == "AddObject" || method == "Reboot" {
			t.Errorf("the CPE got %s when it came back, want none of what was answered with an error", method)
		}
	}
	if got, _ := c.Value(rawSSID["tr098-dsl"]); got != before {
		t.Errorf("got SSID %q, want %q: a Set answered with an error was applied", got, before)
	}
}

func TestSessionCutWithAWriteOnTheWire(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]cpe.Cut{"before": cpe.CutBefore, "after": cpe.CutAfter} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gw := harness.Start(t, "translate: {freshness: 0s}\n")
			c := gw.CPE("tr098-dsl", func(o *cpe.Options) {
				o.RetryWait = func(uint32) time.Duration { return 50 * time.Millisecond }
			})
			before, _ := c.Value(rawSSID["tr098-dsl"])
			north := gw.Controller(gw.WS(), "self::north")
			_, err := north.Subscribe(deadline(t), c.Agent, controller.Subscription{
				ID: "s", Type: "ValueChange", References: []string{"Device.WiFi.SSID.1.SSID"},
			})
			if err != nil {
				t.Fatal(err)
			}
			c.CutNextSession("SetParameterValues", when)
			_, err = north.Set(deadline(t), c.Agent, false,
				controller.Update("Device.WiFi.SSID.1.", map[string]string{"SSID": "perhaps"}))
			if errorCode(err) != usp.CodeOutcomeUnknown {
				t.Fatalf("got %v, want 7800", err)
			}
			want := before
			if when == cpe.CutAfter {
				want = "perhaps"
				n := <-north.Notifies() // the read-back of the next session
				if got := n.GetValueChange().GetParamValue(); got != want {
					t.Errorf("got notification of %q, want %q", got, want)
				}
			}
			resp, err := north.Get(deadline(t), c.Agent, 0, "Device.WiFi.SSID.1.SSID")
			if err != nil {
				t.Fatal(err)
			}
			if got := controller.Params(resp)["Device.WiFi.SSID.1.SSID"]; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
