// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// subscribeEnds has a Controller told of the ends of commands.
func subscribeEnds(t *testing.T, north *controller.Controller, id usp.EndpointID) {
	t.Helper()
	s := controller.Subscription{
		ID: "done", Type: "OperationComplete", References: []string{"Device."}, Retry: true, Persistent: true,
	}
	if _, err := north.Subscribe(deadline(t), id, s); err != nil {
		t.Fatal(err)
	}
}

// completed waits for the end of a command. The CPE has sessions meanwhile, for other
// reasons.
func completed(t *testing.T, north *controller.Controller, box harness.CPE) *uspmsg.Notify_OperationComplete {
	t.Helper()
	end := time.After(harness.Timeout)
	session := time.NewTicker(time.Second)
	defer session.Stop()
	for {
		select {
		case n := <-north.Notifies():
			if oc := n.GetOperComplete(); oc != nil {
				return oc
			}
		case <-session.C:
			box.Raise(cwmp.Event{Code: cwmp.EventPeriodic})
		case <-end:
			t.Fatal("got no OperationComplete")
		}
	}
}

// Diagnostics of CPE of both data models, and of those that tell their end in other ways
// [quirk 74].
func TestQuirk74Diagnostics(t *testing.T) {
	t.Parallel()
	quirks := map[string]cpe.Quirks{
		"standard": {}, "other word": {TestCompleted: true}, "mute": {TestMute: true},
		"stays Requested": {TestStaysRequested: true},
	}
	commands := map[string]map[string]string{
		"Device.IP.Diagnostics.IPPing()": {
			"Host": "host.example.net", "ProtocolVersion": "Any", "NumberOfRepetitions": "3", "Timeout": "1000",
			"DataBlockSize": "64",
		},
		"Device.IP.Diagnostics.DownloadDiagnostics()": {"DownloadURL": "http://files.example.net/10M"},
	}
	for _, model := range []string{"tr098-dsl", "tr181-wifi"} {
		for name, q := range quirks {
			t.Run(model+" "+name, func(t *testing.T) {
				t.Parallel()
				gw := harness.Start(t, "")
				box := gw.CPE(model, func(o *cpe.Options) { o.Quirks = q })
				north := gw.Controller(gw.WS(), "self::north")
				getOne(t, north, box.Agent, "Device.DeviceInfo.UpTime")
				subscribeEnds(t, north, box.Agent)
				for command, args := range commands {
					operate(t, north, box.Agent, command, args)
					oc := completed(t, north, box)
					out := oc.GetReqOutputArgs().GetOutputArgs()
					if out["Status"] != "Complete" || out["SuccessCount"]+out["TestBytesReceived"] == "" {
						t.Fatalf("%s: got %v, want it complete with results", command, oc)
					}
				}
			})
		}
	}
}

// A diagnostic that the CPE cannot do is complete with an error as its Status; a route is
// a list from 1, and a name server's answers are.
func TestDiagnosticResults(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"tr098-dsl", "tr181-wifi"} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			gw := harness.Start(t, "")
			box := gw.CPE(model, nil)
			north := gw.Controller(gw.WS(), "self::north")
			getOne(t, north, box.Agent, "Device.DeviceInfo.UpTime")
			subscribeEnds(t, north, box.Agent)
			for _, c := range []struct {
				command, host, name, output, want string
			}{
				{"Device.IP.Diagnostics.TraceRoute()", "host.invalid", "Host", "Status", "Error_CannotResolveHostName"},
				{"Device.IP.Diagnostics.TraceRoute()", "host.example.net", "Host", "RouteHops.2.Host", "host.example.net"},
				{
					"Device.DNS.Diagnostics.NSLookupDiagnostics()", "host.example.net", "HostName",
					"Result.1.HostNameReturned", "host.example.net",
				},
			} {
				operate(t, north, box.Agent, c.command, map[string]string{
					c.name: c.host, "ProtocolVersion": "Any", "Timeout": "1000", "NumberOfRepetitions": "1",
				})
				oc := completed(t, north, box)
				if got := oc.GetReqOutputArgs().GetOutputArgs()[c.output]; got != c.want {
					t.Errorf("%s: got %q for %s of %v, want %q", c.command, got, c.output, oc, c.want)
				}
			}
		})
	}
}

// Commands that are parameters of the CPE, and hidden.
func TestCommandsThatAreParameters(t *testing.T) {
	t.Parallel()
	gw := harness.Start(t, "")
	box := gw.CPE("tr181-wifi", nil)
	north := gw.Controller(gw.WS(), "self::north")
	getOne(t, north, box.Agent, "Device.DeviceInfo.UpTime")
	for _, name := range []string{"Device.DHCPv4.Client.1.Renew", "Device.IP.Interface.2.Reset"} {
		operate(t, north, box.Agent, name+"()", nil)
		if got, _ := box.Value(name); got != "true" && got != "1" {
			t.Errorf("got %s=%q on the CPE, want it written", name, got)
		}
		resp, err := north.Get(deadline(t), box.Agent, 0, name)
		if params := controller.Params(resp); err != nil || len(params) > 0 {
			t.Errorf("got %v, %v, want %s not shown", params, err, name)
		}
	}
}
