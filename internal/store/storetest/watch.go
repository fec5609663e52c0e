// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/store"
)

// watched is what a Watch gives.
type watched struct {
	t       *testing.T
	entries chan store.Entry
	ready   chan struct{}
	ended   chan error
}

func startWatch(ctx context.Context, t *testing.T, b store.Bucket, prefix string) *watched {
	t.Helper()
	w := &watched{t: t, entries: make(chan store.Entry, 100), ready: make(chan struct{}), ended: make(chan error, 1)}
	go func() {
		w.ended <- b.Watch(ctx, prefix, func(e store.Entry) { w.entries <- e }, func() { close(w.ready) })
	}()
	select {
	case <-w.ready:
	case err := <-w.ended:
		t.Fatalf("Watch: got %v, want it to go on", err)
	case <-time.After(10 * time.Second):
		t.Fatal("Watch: not ready in 10 s")
	}
	return w
}

// want takes the next entry.
func (w *watched) want(key, value string, deleted bool) store.Entry {
	w.t.Helper()
	select {
	case e := <-w.entries:
		if e.Key != key || string(e.Value) != value || e.Deleted != deleted {
			w.t.Errorf("watched: got %q=%q deleted=%v, want %q=%q deleted=%v", e.Key, e.Value, e.Deleted, key, value, deleted)
		}
		return e
	case <-time.After(10 * time.Second):
		w.t.Fatalf("watched: got nothing, want %q=%q deleted=%v", key, value, deleted)
		return store.Entry{}
	}
}

func watch(t *testing.T, s store.Store) {
	t.Helper()
	b := bucket(t, s, "A", store.BucketOptions{})
	put(t, b, "a.1", "old")
	put(t, b, "b.1", "")
	put(t, b, "a.2", "2")
	put(t, b, "a.1", "1")
	put(t, b, "a.gone", "")
	wantErr(t, "Delete", b.Delete(t.Context(), "a.gone", 0), nil)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	w := startWatch(ctx, t, b, "a.")
	now := make(map[string]string) // some Stores tell what is gone, too
	for len(w.entries) > 0 {
		if e := <-w.entries; !e.Deleted {
			now[e.Key] = string(e.Value)
		}
	}
	if len(now) != 2 || now["a.1"] != "1" || now["a.2"] != "2" {
		t.Errorf("when it began: got %v, want a.1=1 and a.2=2", now)
	}
	put(t, b, "b.2", "")
	revision := put(t, b, "a.3", "3")
	if e := w.want("a.3", "3", false); e.Revision != revision {
		t.Errorf("revision: got %d, want %d", e.Revision, revision)
	}
	wantErr(t, "Delete", b.Delete(t.Context(), "a.3", 0), nil)
	if e := w.want("a.3", "", true); e.Revision <= revision {
		t.Errorf("revision of the end: got %d, want more than %d", e.Revision, revision)
	}
	_, err := b.Create(t.Context(), "a.lease", []byte("l"), time.Second)
	wantErr(t, "Create", err, nil)
	w.want("a.lease", "l", false)
	w.want("a.lease", "", true) // its time has run out
	stop()
	select {
	case err := <-w.ended:
		wantErr(t, "Watch", err, nil)
	case <-time.After(10 * time.Second):
		t.Fatal("Watch does not end with its context")
	}
}
