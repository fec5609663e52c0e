// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/internal/engine/enginetest"
)

// crashDir, in the environment, makes the test binary the process that is killed.
const crashDir = "USPGATE_STORE_CRASH_DIR"

// TestStoreKilled kills a process that writes; whatever it said to be written has
// to be there.
func TestStoreKilled(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv(crashDir); dir != "" {
		crashWriter(t, dir)
		return
	}
	dir := t.TempDir()
	written := make(map[string]int)
	for round := range 3 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStoreKilled$")
		cmd.Env = append(os.Environ(), crashDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, enough := 0, 1000+round*777
		for said := bufio.NewScanner(out); said.Scan(); {
			key, n, ok := strings.Cut(said.Text(), " ")
			value, err := strconv.Atoi(n)
			if !ok || err != nil {
				continue // of the test binary
			}
			written[key] = value
			if lines++; lines == enough {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // it was killed
		if lines < enough {
			t.Fatalf("round %d: got %d writes, want %d", round, lines, enough)
		}
		s := openStore(t, dir, engine.Options{})
		b := bucketOf(t, s)
		for key, value := range written {
			e, err := b.Get(t.Context(), key)
			n, _ := strconv.Atoi(string(e.Value)) // 0 is less than any
			if err != nil || n < value {
				t.Errorf("round %d: %s: got %q, %v, want %d or newer", round, key, e.Value, err, value)
			}
		}
		s.e.Close()
	}
}

// crashWriter writes for ever and says what is written.
func crashWriter(t *testing.T, dir string) {
	t.Helper()
	b := bucketOf(t, openStore(t, dir, engine.Options{}))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				key, value := fmt.Sprintf("%d/%d", w, n%50), strconv.FormatInt(time.Now().UnixNano(), 10)
				if _, err := b.Put(t.Context(), key, []byte(value)); err != nil {
					t.Errorf("Put: got %v, want nil", err)
					return
				}
				mu.Lock()
				_, err := fmt.Fprintf(os.Stdout, "%s %s\n", key, value)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestStoreOutlivesAServer stops one of three servers while there are writes, and
// starts it again.
func TestStoreOutlivesAServer(t *testing.T) {
	t.Parallel()
	cluster := enginetest.New(t, 3)
	e, err := engine.Open(t.Context(), engine.Options{URL: cluster.URL(), Replicas: 3})
	if err != nil {
		t.Fatalf("Open: got %v, want nil", err)
	}
	t.Cleanup(e.Close)
	b := bucketOf(t, e.Store())
	const writers, each = 4, 200
	var mu sync.Mutex
	written := make(map[string]uint64)
	killed := make(chan struct{})
	kill := sync.OnceFunc(func() {
		go func() {
			cluster.Kill(max(cluster.Leader(), 0))
			close(killed)
		}()
	})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				key := fmt.Sprintf("%d/%d", w, n)
				if n == each/4 {
					kill()
				}
				deadline := time.Now().Add(20 * time.Second)
				for {
					revision, err := b.Put(t.Context(), key, []byte(key))
					if err == nil {
						mu.Lock()
						written[key] = revision
						mu.Unlock()
						break
					}
					if time.Now().After(deadline) {
						t.Errorf("Put: got %v, want nil in the end", err)
						return
					}
					<-time.After(50 * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	<-killed
	for key, revision := range written {
		if e, err := b.Get(t.Context(), key); err != nil || e.Revision < revision {
			t.Errorf("%s: got revision %d, %v, want %d", key, e.Revision, err, revision)
		}
	}
	if len(written) != writers*each {
		t.Errorf("written: got %d, want %d", len(written), writers*each)
	}
}
