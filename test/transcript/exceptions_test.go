// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package transcript_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/uspgate/uspgate/test/harness"
)

// exception is a step to which a Virtual Agent may answer otherwise, because CWMP
// leaves it no choice. What it answers is in the file of the conversation.
type exception struct {
	conversation, line string
	models             []string // nil: all
	// deviation is a part of the text of docs/deviations.md that says why.
	deviation string
}

// exceptions are all that there are. One that is not needed fails.
func exceptions() []exception {
	return []exception{
		{
			conversation: "commands", line: "do> await 1 IPPing()", models: []string{"tr098-dsl"},
			deviation: "a result that the CPE's object does not have is not among the output arguments",
		},
	}
}

// find returns the exception for a step, -1 if there is none.
func find(conversation, line, model string) int {
	return slices.IndexFunc(exceptions(), func(e exception) bool {
		return e.conversation == conversation && e.line == line && (e.models == nil || slices.Contains(e.models, model))
	})
}

func excepted(conversation, line, model string) bool { return find(conversation, line, model) >= 0 }

// usage counts which exceptions were needed.
type usage struct {
	mu   sync.Mutex
	seen map[int]bool
}

func newUsage() *usage { return &usage{seen: make(map[int]bool)} }

func (u *usage) excepted(conversation, line, model string) bool {
	i := find(conversation, line, model)
	if i < 0 {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.seen[i] = true
	return true
}

// check fails for an exception that no conversation has come to, or that the documents
// do not know.
func (u *usage) check(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.ModuleRoot(t), "docs", "deviations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range exceptions() {
		if !u.seen[i] {
			t.Errorf("no conversation needs the exception for %s: %s", e.conversation, e.line)
		}
		if !strings.Contains(string(text), e.deviation) {
			t.Errorf("docs/deviations.md has nothing like %q", e.deviation)
		}
	}
}
