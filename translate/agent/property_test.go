// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// Whatever a Controller does and whichever RPC fails: a whole request that is
// answered with an Error has left the CPE as it was, unless the Error is 7800;
// and what the Agent answers from its cache is what the CPE has, at the latest
// after the next session.
func TestWritesKeepAgentAndCPEEqual(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(t, "tr181", "freshness=1h")
		r.answers = make(chan *uspmsg.Msg, 16)
		r.showRPCs(false)
		defer r.stop()
		r.inform(events("1_BOOT"))
		r.ask(get("", "Device.NAT.").GetBody())
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			step(t, rt, r)
		}
	})
}

func step(t *testing.T, rt *rapid.T, r *rig) {
	t.Helper()
	words := drawRequest(rt)
	p := drawFailure(rt)
	if p != nil {
		r.cpe.plan(*p)
	}
	before := r.cpe.snapshot()
	answer := r.ask(parseRequest(t, words))
	r.cpe.mu.Lock()
	r.cpe.plans = nil
	r.cpe.mu.Unlock()
	e := answer.GetBody().GetError()
	after := r.cpe.snapshot()
	if e != nil && e.GetErrCode() != uint32(usp.CodeOutcomeUnknown) && !maps.Equal(before, after) {
		rt.Fatalf("%q with failure %+v: got Error %d %s, but the CPE changed\nbefore %v\nafter  %v",
			words, p, e.GetErrCode(), e.GetErrMsg(), before, after)
	}
	if p != nil {
		r.inform(events("2_PERIODIC"))
	}
	var diff string
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); runtime.Gosched() {
		if diff = difference(r); diff == "" {
			return
		}
	}
	rt.Fatalf("%q with failure %+v, answered %v: %s", words, p, answer, diff)
}

// difference compares the port mappings that the Agent has with those of the
// CPE.
func difference(r *rig) string {
	got := make(map[string]string)
	resp := r.ask(get("", "Device.NAT.").GetBody()).GetBody().GetResponse().GetGetResp()
	for _, p := range resp.GetReqPathResults() {
		for _, o := range p.GetResolvedPathResults() {
			for name, v := range o.GetResultParams() {
				if name != "Alias" {
					got[o.GetResolvedPath()+name] = v
				}
			}
		}
	}
	want := make(map[string]string)
	for name, v := range r.cpe.snapshot() {
		if !strings.HasPrefix(name, "Device.NAT.") || strings.HasSuffix(name, ".") {
			continue
		}
		if strings.HasSuffix(name, ".Enable") {
			v = map[string]string{"0": "false", "1": "true"}[v]
		}
		want[name] = v
	}
	if maps.Equal(got, want) {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if v, ok := got[name]; !ok || v != want[name] {
			return fmt.Sprintf("%s: got %q (there: %v), want %q", name, v, ok, want[name])
		}
	}
	return fmt.Sprintf("got %d parameters, want %d", len(got), len(want))
}

func drawRequest(rt *rapid.T) []string {
	mode := rapid.SampledFrom([]string{"whole", "partial"}).Draw(rt, "mode")
	values := []string{
		"Description!=a", "Description=bad", "Description!=bad", "ExternalPort=80", "ExternalPort!=x",
		"Enable=true", "Enable!=false", "Status!=x", "Nonsense=1",
	}
	targets := []string{
		"Device.NAT.PortMapping.1.", "Device.NAT.PortMapping.2.", "Device.NAT.PortMapping.3.",
		"Device.NAT.PortMapping.*.", `Device.NAT.PortMapping.[Description=="a"].`,
	}
	verb := rapid.SampledFrom([]string{"Add", "Set", "Delete"}).Draw(rt, "verb")
	words := []string{verb, mode}
	for i := range rapid.IntRange(1, 3).Draw(rt, "objects") {
		target := rapid.SampledFrom(targets).Draw(rt, "target")
		if verb == "Delete" {
			words = append(words, target)
			continue
		}
		if verb == "Add" {
			target = "Device.NAT.PortMapping."
		}
		if i > 0 {
			words = append(words, ";")
		}
		words = append(words, target)
		words = append(words, rapid.SliceOfNDistinct(rapid.SampledFrom(values), 0, 3, func(s string) string {
			name, _, _ := setting(s)
			return name
		}).Draw(rt, "values")...)
	}
	return words
}

func drawFailure(rt *rapid.T) *plan {
	kind := rapid.SampledFrom([]string{"none", "fault", "notsent", "unknown", "lost"}).Draw(rt, "failure")
	p := &plan{skip: rapid.IntRange(0, 4).Draw(rt, "after")}
	switch kind {
	case "fault":
		// Not 9005: a CPE that says so of what it has makes the Agent forget it.
		code := rapid.SampledFrom([]int{9001, 9002, 9003, 9004, 9007}).Draw(rt, "code")
		p.err = &cwmp.Fault{Code: code}
	case "notsent":
		p.err = device.ErrNotSent
	case "unknown", "lost":
		p.err, p.apply = device.ErrOutcomeUnknown, kind == "lost"
	default:
		return nil
	}
	return p
}
