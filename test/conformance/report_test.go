// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package conformance_test

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

// update rewrites docs/conformance.md from what this run has shown.
var update = flag.Bool("update", false, "rewrite docs/conformance.md")

// results are the cells of the matrix that have been run.
type results struct {
	lock chan struct{} // bounds the pairs that run at a time

	mu   sync.Mutex
	pass map[[2]string]bool
}

func newResults() *results {
	return &results{lock: make(chan struct{}, 4), pass: map[[2]string]bool{}}
}

// note takes the outcome of one pair.
func (r *results) note(south, north *leg, pass bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pass[[2]string{south.String(), north.String()}] = pass
}

// whole reports whether every pair has been run.
func (r *results) whole() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.pass) == len(legs)*len(legs)
}

// table is the matrix in Markdown.
func (r *results) table() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	b.WriteString("| Agent on \\ Controller on |")
	for _, north := range legs {
		fmt.Fprintf(&b, " %s |", north)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(legs)) + "\n")
	for _, south := range legs {
		fmt.Fprintf(&b, "| %s |", south)
		for _, north := range legs {
			mark := "fail"
			if r.pass[[2]string{south.String(), north.String()}] {
				mark = "pass"
			}
			fmt.Fprintf(&b, " %s |", mark)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// Where the matrix stands in the document.
const (
	tableBegin = "<!-- matrix -->\n"
	tableEnd   = "<!-- end of matrix -->\n"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(harness.BrokerLeak))
}

// document compares docs/conformance.md with what the run has shown, or rewrites
// it with -update.
func (r *results) document() error {
	name := filepath.Join("..", "..", "docs", "conformance.md")
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), tableBegin)
	_, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		return fmt.Errorf("%s: the marks of the matrix are gone", name)
	}
	want := before + tableBegin + "\n" + r.table() + "\n" + tableEnd + after
	if want == string(text) {
		return nil
	}
	if !*update {
		return fmt.Errorf("%s is not what the run has shown; run go test ./test/conformance -update", name)
	}
	return os.WriteFile(name, []byte(want), 0o644)
}
