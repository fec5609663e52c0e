// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// newAskingRig is a rig whose CPE is known and whose cache is fresh.
func newAskingRig(t *testing.T, model string, options ...string) *rig {
	t.Helper()
	r := newRig(t, model, append(options, "freshness=1h")...)
	t.Cleanup(r.stop)
	r.answers = make(chan *uspmsg.Msg, 16)
	r.showRPCs(false)
	r.inform(events("1_BOOT"))
	r.ask(get("", "Device.NAT.").GetBody())
	return r
}

func (r *rig) words(t *testing.T, words ...string) *uspmsg.Msg {
	t.Helper()
	return r.ask(parseRequest(t, words))
}

func wantError(t *testing.T, m *uspmsg.Msg, code usp.Code, text string) {
	t.Helper()
	e := m.GetBody().GetError()
	if e.GetErrCode() != uint32(code) || !strings.Contains(e.GetErrMsg(), text) {
		t.Errorf("got %.400v, want Error %d that says %q", m.GetBody(), code, text)
	}
}

func TestRequestWithTooMuch(t *testing.T) {
	t.Parallel()
	r := newAskingRig(t, "tr181", "requested=10", "paths=40", "maxresponse=8000")
	many := func(s string) []string { return slices.Repeat([]string{s}, 11) }
	objects := func(s string, n int) []string {
		return strings.Fields(strings.Repeat("; "+s+" ", n)[2:])
	}
	settings := strings.Fields(strings.Repeat("Description=x ", 41))
	long := "Description=" + strings.Repeat("x", 8_000)
	for _, c := range []struct {
		name  string
		words []string
		want  string
	}{
		{"Get", append([]string{"Get"}, many("Device.DeviceInfo.")...), "Requested, 10"},
		{"GetInstances", append([]string{"GetInstances"}, many("Device.NAT.PortMapping.")...), "Requested, 10"},
		{"GetSupportedDM", append([]string{"GetSupportedDM"}, many("Device.NAT.")...), "Requested, 10"},
		{"Delete", append([]string{"Delete", "whole"}, many("Device.NAT.PortMapping.9.")...), "Requested, 10"},
		{"Set", append([]string{"Set", "whole"}, objects("Device.NAT.PortMapping.1. Description=x", 11)...), "Requested, 10"},
		{"Add", append([]string{"Add", "partial"}, objects("Device.NAT.PortMapping.", 11)...), "Requested, 10"},
		{"Set of settings", append([]string{"Set", "partial", "Device.NAT.PortMapping.1."}, settings...), "Paths, 40"},
		{"Add of settings", append([]string{"Add", "whole", "Device.NAT.PortMapping."}, settings...), "Paths, 40"},
		{"Set of a long value", []string{"Set", "partial", "Device.NAT.PortMapping.*.", long}, "MaxResponse, 8000"},
		{"Add of a long value", []string{"Add", "partial", "Device.NAT.PortMapping.", long}, "MaxResponse, 8000"},
		{"Get too large", append([]string{"Get"}, slices.Repeat([]string{"Device."}, 6)...), "MaxResponse, 8000"},
		{
			"GetSupportedDM too large",
			[]string{"GetSupportedDM", "Device.", "Device.", "Device.LocalAgent.", "params", "commands", "events", "keys"},
			"MaxResponse, 8000",
		},
	} {
		before := r.cpe.snapshot()
		wantError(t, r.words(t, c.words...), usp.CodeResourcesExceeded, c.want)
		if after := r.cpe.snapshot(); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("%s: got a changed CPE", c.name)
		}
	}
}

// What is answered fits, whatever the limit is, and what does not fit is said
// to be too large.
func TestMaxResponseHolds(t *testing.T) {
	t.Parallel()
	for limit := 200; limit <= 25_600; limit *= 2 {
		r := newAskingRig(t, "tr181", fmt.Sprintf("maxresponse=%d", limit))
		for _, words := range [][]string{
			{"Get", "Device.DeviceInfo."},
			{"Get", "Device.WiFi.", "Device.NAT.PortMapping.*.Description", "Device.WiFi."},
			{"Get", "Device."},
			{"Get", "Device.No.", "Device.No.", "no"},
			{"GetInstances", "Device.WiFi.SSID.", "Device.NAT.PortMapping.", "Device.No."},
			{"GetInstances", "Device.LocalAgent.Controller.", "Device.LocalAgent.Controller."},
			{"GetSupportedDM", "Device.WiFi.", "params", "keys"},
			{"GetSupportedDM", "Device.LocalAgent.", "params", "commands", "events", "keys"},
			{"Set", "partial", "Device.NAT.PortMapping.*.", "Description=x", "No=x"},
		} {
			m := r.words(t, words...)
			if m.GetBody().GetError() != nil {
				wantError(t, m, usp.CodeResourcesExceeded, "MaxResponse")
			} else if got := proto.Size(m.GetBody().GetResponse()); got > limit {
				t.Errorf("%q with the limit %d: got an answer of %d bytes", words, limit, got)
			}
		}
	}
}

// Paths that are asked for again are answered again, from one result.
func TestRepeatedPaths(t *testing.T) {
	t.Parallel()
	r := newAskingRig(t, "tr181")
	words := slices.Repeat([]string{"Device.NAT.PortMapping.1.Description", "Device.No."}, 2)
	results := r.words(t, append([]string{"Get"}, words...)...).GetBody().GetResponse().GetGetResp().GetReqPathResults()
	if len(results) != len(words) {
		t.Fatalf("got %d results, want %d", len(results), len(words))
	}
	for i, got := range results {
		if got.GetRequestedPath() != words[i] || !proto.Equal(got, results[i%2]) {
			t.Errorf("got result %d %v, want one for %s", i, got, words[i])
		}
	}
}

// A small request cannot make the Agent take much memory.
func TestGetOfManyPathsIsCheap(t *testing.T) { //nolint:paralleltest // it measures what the process allocates
	r := newAskingRig(t, "tr181")
	for _, n := range []int{agent.DefaultRequested, 3 * agent.DefaultRequested} {
		body := get("", slices.Repeat([]string{"Device."}, n)...).GetBody()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m := r.ask(body)
		runtime.ReadMemStats(&after)
		wantError(t, m, usp.CodeResourcesExceeded, "")
		if got := after.TotalAlloc - before.TotalAlloc; got > 32<<20 {
			t.Errorf("%d paths: got %d bytes allocated, want 32 MiB at most", n, got)
		}
	}
}
