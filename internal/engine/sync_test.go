// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/internal/store"
)

// syncs stands where files are fsynced.
type syncs struct {
	mu    sync.Mutex
	names map[string]int
	fail  error
	hold  chan struct{} // while it is open, blocks are not synced
	began chan struct{} // one is held
}

func (s *syncs) file(name string) error {
	s.mu.Lock()
	s.names[name]++
	err, hold := s.fail, s.hold
	s.mu.Unlock()
	if hold != nil && strings.HasSuffix(name, ".blk") {
		select {
		case s.began <- struct{}{}:
		default:
		}
		<-hold
	}
	if err != nil {
		return err
	}
	return engine.SyncFile(name)
}

func (s *syncs) set(fail error, hold chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail, s.hold = fail, hold
}

// Nothing is acknowledged while the fsync goes on, and those who come meanwhile
// share the next one.
func TestNothingIsAcknowledgedBeforeTheFsync(t *testing.T) {
	t.Parallel()
	s := &syncs{names: make(map[string]int), began: make(chan struct{}, 1)}
	dir := t.TempDir()
	b := bucketOf(t, openStore(t, dir, engine.Options{}.WithSync(s.file)))
	if _, err := b.Put(t.Context(), "first", nil); err != nil {
		t.Fatalf("Put: got %v, want nil", err)
	}
	streams := filepath.Join(dir, "jetstream", "$G", "streams")
	for _, name := range []string{
		filepath.Dir(dir), dir, streams, filepath.Join(streams, "KV_A"),
		filepath.Join(streams, "KV_A", "meta.inf"), filepath.Join(streams, "KV_A", "meta.sum"),
		filepath.Join(streams, "KV_A", "msgs"), filepath.Join(streams, "KV_A", "msgs", "1.blk"),
	} {
		s.mu.Lock()
		if s.names[name] == 0 {
			t.Errorf("%s: got no fsync, want one", name)
		}
		s.mu.Unlock()
	}
	hold := make(chan struct{})
	s.set(nil, hold)
	done := make(chan error, 100)
	put := func() {
		_, err := b.Put(t.Context(), "k", nil)
		done <- err
	}
	go put()
	<-s.began
	for range cap(done) - 1 {
		go put()
	}
	select {
	case err := <-done:
		t.Fatalf("Put before the fsync: got %v, want it to wait", err)
	case <-time.After(100 * time.Millisecond):
	}
	s.mu.Lock()
	clear(s.names)
	s.mu.Unlock()
	s.set(nil, nil)
	close(hold)
	for range cap(done) {
		if err := <-done; err != nil {
			t.Errorf("Put: got %v, want nil", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.names[filepath.Join(streams, "KV_A", "msgs", "1.blk")]; n == 0 || n > 20 {
		t.Errorf("fsyncs of %d writes: got %d, want at least one and few", cap(done)-1, n)
	}
}

// After an fsync that has failed nothing is acknowledged until the store was
// started anew, although the next one would succeed.
func TestAFailedFsyncIsNotForgotten(t *testing.T) {
	t.Parallel()
	s := &syncs{names: make(map[string]int)}
	dir := t.TempDir()
	opened := openStore(t, dir, engine.Options{}.WithSync(s.file))
	b := bucketOf(t, opened)
	if _, err := b.Put(t.Context(), "kept", []byte("yes")); err != nil {
		t.Fatalf("Put: got %v, want nil", err)
	}
	broken := errors.New("the disk is broken")
	s.set(broken, nil)
	begin := time.Now()
	if _, err := b.Put(t.Context(), "k", nil); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, broken) {
		t.Errorf("Put: got %v, want ErrUnavailable with its cause", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("Put: took %v, want at most 5 s", took)
	}
	if err := opened.e.Ready(); err == nil {
		t.Error("Ready: got nil, want that the store has failed")
	}
	s.set(nil, nil)
	deadline := time.Now().Add(10 * time.Second)
	for {
		_, err := b.Put(t.Context(), "k", []byte("after"))
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("Put after the disk was mended: got %v, want nil", err)
		}
		<-time.After(50 * time.Millisecond)
	}
	if err := opened.e.Ready(); err != nil {
		t.Errorf("Ready: got %v, want nil", err)
	}
	opened.e.Close()
	b = bucketOf(t, openStore(t, dir, engine.Options{}))
	for key, value := range map[string]string{"kept": "yes", "k": "after"} {
		if e, err := b.Get(t.Context(), key); err != nil || string(e.Value) != value {
			t.Errorf("Get %s: got %q, %v, want %q", key, e.Value, err, value)
		}
	}
}

func bucketOf(t *testing.T, s store.Store) store.Bucket {
	t.Helper()
	b, err := s.Bucket(t.Context(), "A", store.BucketOptions{})
	if err != nil {
		t.Fatalf("Bucket: got %v, want nil", err)
	}
	return b
}
