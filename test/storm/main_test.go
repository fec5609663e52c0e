// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package storm_test

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/test/harness"
)

// program is the gateway, built when a test first wants it, in programDir.
var (
	programDir string
	program    = sync.OnceValues(func() (string, error) { return harness.Build(programDir) })
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(tests{m}) }

type tests struct{ *testing.M }

// Run implements goleak.TestingM.
func (t tests) Run() int {
	var err error
	if programDir, err = os.MkdirTemp("", "uspgate-storm"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(programDir)
	return t.M.Run()
}

// gateway returns the path of the program.
func gateway(t *testing.T) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
