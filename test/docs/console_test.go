// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"slices"
	"strings"
	"testing"
)

// play executes the console blocks of a document, then calls after with what is
// still running.
func play(t *testing.T, name string, after func(*session)) {
	t.Helper()
	s := &session{t: t, addr: map[string]string{}}
	defer s.end()
	for _, b := range blocks(read(t, name)) {
		if b.language != "console" {
			continue
		}
		list, err := steps(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, st := range list {
			if err := s.do(st); err != nil {
				t.Fatalf("%s:%d: $ %s\n%v", name, st.line, st.command, err)
			}
		}
		if s.failed != "" {
			t.Errorf("%s:%d: the last command ended with %d and the block does not say so:\n%s", name, b.line, s.code, s.failed)
			s.failed = ""
		}
	}
	for _, p := range s.running {
		if err := s.shows(p); err != nil {
			t.Errorf("%s:%d: $ %s\n%v", name, p.step.line, p.step.command, err)
		}
	}
	if after != nil {
		after(s)
	}
}

func TestConsoleBlocks(t *testing.T) {
	t.Parallel()
	for _, name := range documents(t) {
		has := slices.ContainsFunc(blocks(read(t, name)), func(b block) bool { return b.language == "console" })
		if !has || name == "README.md" {
			continue // that one is played by TestReadme
		}
		t.Run(strings.ReplaceAll(name, "/", "_"), func(t *testing.T) {
			t.Parallel()
			play(t, name, nil)
		})
	}
}

// README.md shows the whole way from the build to the metrics; after that all
// of the metrics have been moved that it lists.
func TestReadme(t *testing.T) {
	t.Parallel()
	play(t, "README.md", func(s *session) {
		provoke(t, "http://"+s.addr["127.0.0.1:7547"])
		compareMetrics(t, "http://"+s.addr["127.0.0.1:9547"]+"/metrics")
	})
}
