// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Blocks that have gone are not open: what they take on the disk is free.
func TestPurgedBlocksAreClosed(t *testing.T) {
	t.Parallel()
	q := openTended(t, t.TempDir(), often(1<<20))
	l := tendLane("A")
	const n, size = 3000, 10_000 // more than three blocks
	seqs := fill(t, q, l, 0, n, size)
	wantNumbers(t, q, l, 0, n-1) // opens them
	if open, _ := blocksOpen(t, q.dir); open < 3 {
		t.Fatalf("got %d blocks open, want at least 3", open)
	}
	if err := q.Remove(t.Context(), l, seqs[n-1]); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if open, gone := blocksOpen(t, q.dir); gone > 0 || open > 2 {
			return fmt.Sprintf("%d blocks are open, %d of them have gone", open, gone)
		}
		return ""
	})
}

// blocksOpen is how many files below dir this process reads, and how many of these
// have been removed.
func blocksOpen(t *testing.T, dir string) (open, gone int) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name, err := os.Readlink(f)
		if err != nil || !strings.HasPrefix(name, dir) || !strings.Contains(name, ".blk") {
			continue
		}
		open++
		if strings.HasSuffix(name, "(deleted)") {
			gone++
		}
	}
	return open, gone
}
