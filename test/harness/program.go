// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// Program is the gateway, built when a test of a package first wants it. Path is safe
// for concurrent use.
type Program struct {
	dir  string
	once sync.Once
	path string
	err  error
}

// Main makes a folder for the program and removes it when all tests of m are done: it is
// for goleak.VerifyTestMain.
func (p *Program) Main(m *testing.M) goleak.TestingM { return tests{p, m} }

type tests struct {
	p *Program
	m *testing.M
}

// Run implements goleak.TestingM.
func (t tests) Run() int {
	var err error
	if t.p.dir, err = os.MkdirTemp("", "uspgate-test"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(t.p.dir) //nolint:errcheck // of a temporary folder
	return t.m.Run()
}

// Path is that of the program.
func (p *Program) Path(t *testing.T) string {
	t.Helper()
	p.once.Do(func() { p.path, p.err = Build(p.dir) })
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.path
}
