// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/sim/cpe"
)

// writing and reading are the methods that go wrong.
var (
	writing = []string{"AddObject", "SetParameterValues", "DeleteObject"}
	reading = []string{"GetParameterNames", "GetParameterValues"}
)

// trouble is what goes wrong in a step.
type trouble struct {
	text   string
	faults []string // methods that are answered with a fault
	cut    string   // the method at which the session breaks, or did not yet
}

// drawTrouble makes the CPE fail. A cut that never came waits: there is no second
// one until then.
func drawTrouble(rt *rapid.T, b *box, before *trouble) *trouble {
	p := &trouble{cut: before.cut}
	for _, m := range slices.Concat(writing, reading) {
		b.FailNext(m, nil)
	}
	for range rapid.IntRange(0, 2).Draw(rt, "faults") {
		m := rapid.SampledFrom(slices.Concat(writing, writing, reading)).Draw(rt, "method")
		// Not 9005: a CPE that says so of what it has makes the Agent forget it.
		code := rapid.SampledFrom([]int{9001, 9002, 9003, 9004}).Draw(rt, "fault")
		b.FailNext(m, &cwmp.Fault{Code: code, Text: "at random"})
		p.faults = append(p.faults, m)
		p.text += fmt.Sprintf(" fault %d to %s", code, m)
	}
	if p.cut == "" && rapid.Bool().Draw(rt, "cut") {
		p.cut = rapid.SampledFrom(slices.Concat(writing, reading)).Draw(rt, "method")
		when := rapid.SampledFrom([]cpe.Cut{cpe.CutBefore, cpe.CutAfter}).Draw(rt, "when")
		b.CutNextSession(p.cut, when)
		p.text += fmt.Sprintf(" session lost at %s (%d)", p.cut, when)
	}
	return p
}

// unknown says whether the outcome of a write may be unknown: its session broke, or
// one could not be undone.
func (p *trouble) unknown() bool {
	undone := slices.ContainsFunc(p.faults, func(m string) bool { return slices.Contains(writing, m) })
	return slices.Contains(writing, p.cut) || undone
}

// Whatever fails: a request, or a part of one, that is answered with an error has
// left the CPE as it was and is not done later, unless the error is 7800, which comes
// only where a write may have happened and says what is left; and after the next
// session the Agent shows what the CPE has.
func TestAnyFailures(t *testing.T) {
	t.Parallel()
	everywhere(t, "10ms", func(rt *rapid.T, b *box) {
		unique, p := 0, &trouble{}
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			before := b.has()
			r := drawRequest(rt, b.shape, before, &unique)
			for i := range r.objects {
				r.objects[i].faulty = true
			}
			lost := b.lost.Load()
			p = drawTrouble(rt, b, p)
			rt.Logf("%s with%s", r, p.text)
			out, err := r.read(before, b.ask(rt, r.message()))
			if err != nil {
				rt.Fatalf("%s with%s: %v", r, p.text, err)
			}
			b.pair(out.tree)
			r.honest(rt, p, before, b.has(), out)
			after := b.shape.inCPE(b.CPE)
			b.quiet()
			b.Raise(cwmp.Event{Code: cwmp.EventPeriodic})
			b.session(rt)
			eventually(rt, fmt.Sprintf("%s with%s (%d %s)", r, p.text, out.code, out.text), b.equal)
			if d := differences(b.shape.inCPE(b.CPE), after); d != "" {
				rt.Fatalf("%s with%s: done after its answer (%d %s):\n%s", r, p.text, out.code, out.text, d)
			}
			b.quiet()
			if b.lost.Load() != lost {
				p.cut = ""
			}
		}
	})
}

// quiet counts the sessions that are over.
func (b *box) quiet() {
	for {
		select {
		case s := <-b.Sessions():
			if s.Err != nil {
				b.lost.Add(1)
			}
		default:
			return
		}
	}
}

// honest compares what was answered with what was done.
func (r *request) honest(rt *rapid.T, p *trouble, before, after tree, out *outcome) {
	rt.Helper()
	doubt := out.code == outcomeUnknown || len(out.doubtful) > 0
	if doubt && !p.unknown() {
		rt.Fatalf("%s with%s: got 7800 where no write may have happened: %s", r, p.text, out.text)
	}
	if !doubt {
		if d := differences(after, out.tree); d != "" {
			rt.Fatalf("%s with%s: the CPE has not what was answered (%d %s):\n%s", r, p.text, out.code, out.text, d)
		}
		return
	}
	where := out.doubtful
	if out.whole {
		where = nil
		for i := range r.objects {
			where = append(where, r.objects[i].table.path)
		}
	}
	// Not done, done, or left: only where it was said, and new rows by name.
	for _, path := range slices.Sorted(maps.Keys(after)) {
		if out.tree[path] == after[path] || strings.HasSuffix(path, "NumberOfEntries") {
			continue
		}
		if !slices.ContainsFunc(where, func(table string) bool { return under(path, table) }) {
			rt.Fatalf("%s with%s: %s is %q, and nothing was said of it: %s", r, p.text, path, after[path], out.text)
		}
	}
	for path := range before {
		if _, ok := after[path]; !ok && r.verb != "Delete" {
			rt.Fatalf("%s with%s: %s is gone: %s", r, p.text, path, out.text)
		}
	}
	if out.text == "" {
		rt.Fatalf("%s with%s: got 7800 without a word", r, p.text)
	}
	r.named(rt, p, before, after, out)
}

// named wants that the text of an error names each row that is left or gone, but where the
// session broke under the very RPC: then nobody knows yet.
func (r *request) named(rt *rapid.T, p *trouble, before, after tree, out *outcome) {
	rt.Helper()
	unnamed := func(method, what string, in, notIn tree) {
		if p.cut == method {
			return
		}
		for _, path := range slices.Sorted(maps.Keys(in)) {
			row := path[:strings.LastIndexByte(path, '.')+1]
			_, there := notIn[path]
			_, answered := out.tree[path]
			table, n := split(row)
			if n == 0 || there || answered == (method == "AddObject") {
				continue
			}
			if n > unheard { // it is named by the number that it has been given
				row = table
			}
			if !strings.Contains(out.text, row) && !isInNamed(row, out.text) {
				rt.Fatalf("%s with%s: %s is %s, and not named: %s", r, p.text, row, what, out.text)
			}
		}
	}
	unnamed("AddObject", "left", after, before)
	unnamed("DeleteObject", "gone", before, after)
}

// isInNamed says whether a text names a row that another one is in.
func isInNamed(row, text string) bool {
	for up := row; up != ""; up = up[:strings.LastIndexByte(strings.TrimSuffix(up, "."), '.')+1] {
		if _, n := split(up); n != 0 && strings.Contains(text, up) {
			return true
		}
	}
	return false
}

// under says whether a path is in a table, whichever the rows above it.
func under(path, table string) bool {
	a, b := strings.Split(path, "."), strings.Split(strings.TrimSuffix(table, "."), ".")
	for i := range b {
		if i >= len(a) || b[i] != "{i}" && a[i] != b[i] {
			return false
		}
	}
	return true
}
