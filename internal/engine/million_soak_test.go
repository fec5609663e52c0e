// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build soak

package engine_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/routing/buffer"
)

// Of the child process of TestMillion.
const (
	millionDir  = "USPGATE_MILLION_DIR"
	millionStep = "USPGATE_MILLION_STEP" // fill or open
	millionSize = 100_000                // lanes, ten Records in each
)

// A million Records in 100,000 lanes, and the process is killed: they are there
// within 3 s, in 300 MB, and 450 MB while they are drained.
func TestMillion(t *testing.T) {
	if dir := os.Getenv(millionDir); dir != "" {
		millionChild(t, dir, os.Getenv(millionStep))
		return
	}
	dir := t.TempDir()
	run := func(step string, until string) map[string]string {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestMillion$", "-test.timeout", "5m")
		cmd.Env = append(os.Environ(), millionDir+"="+dir, millionStep+"="+step)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		said := map[string]string{}
		for lines := bufio.NewScanner(out); lines.Scan(); {
			t.Log(step, lines.Text())
			name, value, _ := strings.Cut(lines.Text(), "=")
			if said[name] = value; name == until {
				break
			}
		}
		_ = cmd.Process.Kill() // SIGKILL, which is the point
		_ = cmd.Wait()         // says so
		if _, ok := said[until]; !ok {
			t.Fatalf("%s: the process has not come to %s", step, until)
		}
		return said
	}
	run("fill", "filled")
	said := run("open", "drained")
	for name, limit := range map[string]int64{"ready_ms": 3000, "idle_mb": 300, "draining_mb": 450} {
		var got int64
		if _, err := fmt.Sscan(said[name], &got); err != nil || got > limit {
			t.Errorf("got %s %s, want at most %d", name, said[name], limit)
		}
	}
}

func millionChild(t *testing.T, dir, step string) {
	t.Helper()
	began := time.Now()
	e, err := engine.Open(context.Background(), engine.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	q, err := e.Queue(context.Background(), engine.QueueOptions{Limits: buffer.Limits{
		TotalRecords: 2_000_000, TotalBytes: 4 << 30,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if step == "fill" {
		fillMillion(t, q)
		fmt.Fprintln(os.Stdout, "filled=yes")
		select {} // until it is killed
	}
	fmt.Fprintf(os.Stdout, "ready_ms=%d\n", time.Since(began).Milliseconds())
	if n := len(q.Lanes()); n != millionSize {
		t.Fatalf("got %d lanes, want %d", n, millionSize)
	}
	debug.FreeOSMemory()
	fmt.Fprintf(os.Stdout, "idle_mb=%d\n", resident(t)>>20)
	began = time.Now()
	fmt.Fprintf(os.Stdout, "draining_mb=%d\n", drainMillion(t, q)>>20)
	fmt.Fprintf(os.Stdout, "endpoints_per_s=%.0f\n", millionSize/time.Since(began).Seconds())
	fmt.Fprintln(os.Stdout, "drained=yes")
}

func fillMillion(t *testing.T, q *engine.Queue) {
	t.Helper()
	var wg sync.WaitGroup
	for range 10 {
		for n := range millionSize {
			wg.Add(1)
			q.Put(benchItem(n), func(_ uint64, err error) {
				if err != nil {
					t.Error(err)
				}
				wg.Done()
			})
			if n%4096 == 4095 {
				wg.Wait()
			}
		}
		wg.Wait()
	}
}

// drainMillion empties the Queue with eight readers and returns the largest size that it
// has seen of the process.
func drainMillion(t *testing.T, q *engine.Queue) (peak int64) {
	t.Helper()
	lanes := make(chan buffer.Lane)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for lane := range lanes {
				items, err := q.Read(t.Context(), lane, 0, 256, 1<<20)
				if err != nil || len(items) != 10 {
					t.Errorf("got %d, %v, want 10 items", len(items), err)
					continue
				}
				if err := q.Remove(t.Context(), lane, items[9].Seq); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i, n := range shuffled(millionSize) {
		lanes <- benchItem(n).Lane
		if i%1000 == 0 {
			peak = max(peak, resident(t))
		}
	}
	close(lanes)
	wg.Wait()
	return max(peak, resident(t))
}

// resident is the memory of the process in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
