// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/test/harness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(harness.BrokerLeak)) }

// update rewrites docs/conformance.md from what this run has shown.
var update = flag.Bool("update", false, "rewrite docs/conformance.md")

// models are the CPE that each case is run with: one of TR-098, one of TR-181.
//
//nolint:gochecknoglobals // a constant
var models = []string{"tr098-dsl", "tr181-wifi"}

// expected are the cases that fail, with the reason.
//
//nolint:gochecknoglobals // a constant
var expected = map[string]string{}

func TestPlan(t *testing.T) {
	t.Parallel()
	passed := make([]*results, len(models))
	t.Run("cases", func(t *testing.T) {
		for i, model := range models {
			passed[i] = &results{passed: make(map[string]bool)}
			t.Run(model, func(t *testing.T) {
				t.Parallel()
				run(t, model, passed[i])
			})
		}
	})
	if t.Failed() {
		return
	}
	document(t, passed)
}

// results are the cases that have passed with one model.
type results struct {
	mu     sync.Mutex
	passed map[string]bool
}

func (r *results) note(id string, passed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passed[id] = passed
}

// each calls f for the cases that are run.
func each(apartOnly bool, f func(e *entry)) {
	for _, list := range [][]entry{plan, own} {
		for i := range list {
			if e := &list[i]; e.run != nil && expected[e.id] == "" && apart(e.id) == apartOnly {
				f(e)
			}
		}
	}
}

// run runs the cases that share a Virtual Agent, one after the other, and beside them the
// others. Most wait rather than work: they are not limited as t.Parallel is, by the number
// of processors.
func run(t *testing.T, model string, r *results) {
	t.Helper()
	const workers = 2
	others := make(chan *entry)
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for e := range others {
				r.note(e.id, t.Run(e.id, func(t *testing.T) { e.run(&bench{T: t, lab: &lab{model: model}}) }))
			}
		})
	}
	running.Go(func() {
		defer close(others)
		each(true, func(e *entry) { others <- e })
	})
	defer running.Wait()
	l := newLab(t, model)
	each(false, func(e *entry) {
		r.note(e.id, t.Run(e.id, func(t *testing.T) { e.run(newBench(t, l)) }))
	})
}

// Where the cases stand in the document.
const (
	tableBegin = "<!-- TP-469 -->\n"
	tableEnd   = "<!-- end of TP-469 -->\n"
)

// document compares docs/conformance.md with what the run has shown, or rewrites it
// with -update. A run of some of the cases says nothing.
func document(t *testing.T, passed []*results) {
	t.Helper()
	if f := flag.Lookup("test.run"); f != nil && f.Value.String() != "" {
		return
	}
	name := filepath.Join("..", "..", "..", "docs", "conformance.md")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), tableBegin)
	_, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("%s: the marks of TP-469 are gone", name)
	}
	want := before + tableBegin + "\n" + table(passed) + "\n" + tableEnd + after
	switch {
	case want == string(text):
	case !*update:
		t.Errorf("%s is not what the run has shown; run go test ./test/conformance/tp469 -update", name)
	default:
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// table is the plan in Markdown, with a summary above it.
func table(passed []*results) string {
	var b strings.Builder
	var count [2]struct{ run, pass, all int } // mandatory, conditional
	for i := range plan {
		e := &plan[i]
		condition, kind := "mandatory", 0
		if e.when != "" {
			condition, kind = e.when, 1
		}
		result := e.result(passed)
		count[kind].all++
		if e.run != nil {
			count[kind].run++
		}
		if result == "pass" {
			count[kind].pass++
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", e.id, e.title, condition, result)
	}
	return fmt.Sprintf("Mandatory: %d of %d pass. Conditional: %d of %d pass that are run, of %d in the plan.\n\n",
		count[0].pass, count[0].all, count[1].pass, count[1].run, count[1].all) +
		"| case | | of | result |\n|---|---|---|---|\n" + b.String() + ownTable(passed)
}

// ownTable are the cases that the plan has not.
func ownTable(passed []*results) string {
	var b strings.Builder
	b.WriteString("\nCases that the plan has not:\n\n| case | | about | result |\n|---|---|---|---|\n")
	for i := range own {
		e := &own[i]
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", e.id, e.title, e.when, e.result(passed))
	}
	return b.String()
}

// result is what came of a case with both models.
func (e *entry) result(passed []*results) string {
	if e.run == nil {
		return e.why
	}
	if why := expected[e.id]; why != "" {
		return "fails: " + why
	}
	for i, model := range models {
		if !passed[i].passed[e.id] {
			return "fails with " + model
		}
	}
	return "pass"
}
