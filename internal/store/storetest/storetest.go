// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package storetest is the behaviour suite that every store.Store passes.
package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/store"
)

// Suite says how to make the Stores under test.
type Suite struct {
	// New makes an empty Store. It registers its own clean-up.
	New func(t *testing.T) store.Store
	// Reopen, if set, ends s as a restart of the process does and opens what it
	// left behind.
	Reopen func(t *testing.T, s store.Store) store.Store
}

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	t.Helper()
	for _, tc := range []struct {
		name string
		f    func(*testing.T, store.Store)
	}{
		{"PutGetDelete", putGetDelete},
		{"AnyKey", anyKey},
		{"Refused", refused},
		{"CompareAndSet", compareAndSet},
		{"CompareAndSetByMany", compareAndSetByMany},
		{"TimeToLive", timeToLive},
		{"Each", each},
		{"Watch", watch},
		{"BucketsAreApart", bucketsAreApart},
		{"Full", full},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.f(t, s.New(t))
		})
	}
	t.Run("Reopen", func(t *testing.T) {
		t.Parallel()
		if s.Reopen == nil {
			t.Skip("this Store does not outlive the process")
		}
		reopen(t, s)
	})
}

func bucket(t *testing.T, s store.Store, name string, o store.BucketOptions) store.Bucket {
	t.Helper()
	b, err := s.Bucket(t.Context(), name, o)
	if err != nil {
		t.Fatalf("Bucket %s: got %v, want nil", name, err)
	}
	return b
}

func put(t *testing.T, b store.Bucket, key, value string) uint64 {
	t.Helper()
	revision, err := b.Put(t.Context(), key, []byte(value))
	if err != nil {
		t.Fatalf("Put %q: got %v, want nil", key, err)
	}
	return revision
}

// want fails unless the key has that value and revision.
func want(t *testing.T, b store.Bucket, key, value string, revision uint64) {
	t.Helper()
	e, err := b.Get(t.Context(), key)
	if err != nil || e.Key != key || string(e.Value) != value || e.Revision != revision || e.Deleted {
		t.Errorf("Get %q: got %q=%q at %d, %v, want %q at %d", key, e.Key, e.Value, e.Revision, err, value, revision)
	}
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func putGetDelete(t *testing.T, s store.Store) {
	t.Helper()
	b := bucket(t, s, "A", store.BucketOptions{})
	_, err := b.Get(t.Context(), "k")
	wantErr(t, "Get of nothing", err, store.ErrNotFound)
	value := []byte("one")
	first, err := b.Put(t.Context(), "k", value)
	if err != nil || first == 0 {
		t.Fatalf("Put: got %d, %v, want a revision", first, err)
	}
	copy(value, "xxx") // the writer's to change
	want(t, b, "k", "one", first)
	second := put(t, b, "k", "two")
	if second <= first {
		t.Errorf("second revision: got %d, want more than %d", second, first)
	}
	want(t, b, "k", "two", second)
	empty := put(t, b, "empty", "")
	want(t, b, "empty", "", empty)
	if err := b.Delete(t.Context(), "k", 0); err != nil {
		t.Errorf("Delete: got %v, want nil", err)
	}
	_, err = b.Get(t.Context(), "k")
	wantErr(t, "Get of what was deleted", err, store.ErrNotFound)
	if err := b.Delete(t.Context(), "k", 0); err != nil {
		t.Errorf("Delete of nothing: got %v, want nil", err)
	}
	if third := put(t, b, "k", "three"); third <= second {
		t.Errorf("revision after Delete: got %d, want more than %d", third, second)
	}
}

func anyKey(t *testing.T, s store.Store) {
	t.Helper()
	b := bucket(t, s, "A", store.BucketOptions{})
	var all strings.Builder
	for c := range 256 {
		all.WriteByte(byte(c))
	}
	keys := []string{
		" ", ".", "a.b", "a..b", "*", ">", "a/b", "os::012345-A%2DB", "\x00", "ключ",
		all.String(), strings.Repeat("k", store.MaxKey),
	}
	revisions := make(map[string]uint64)
	for _, key := range keys {
		revisions[key] = put(t, b, key, "of "+key)
	}
	for _, key := range keys {
		want(t, b, key, "of "+key, revisions[key])
	}
}

func refused(t *testing.T, s store.Store) {
	t.Helper()
	b := bucket(t, s, "A", store.BucketOptions{MaxValue: 100})
	long := strings.Repeat("k", store.MaxKey+1)
	for _, key := range []string{"", long} {
		_, err := b.Get(t.Context(), key)
		wantErr(t, "Get", err, store.ErrInvalid)
		_, err = b.Put(t.Context(), key, nil)
		wantErr(t, "Put", err, store.ErrInvalid)
		wantErr(t, "Delete", b.Delete(t.Context(), key, 0), store.ErrInvalid)
	}
	_, err := b.Put(t.Context(), "k", make([]byte, 101))
	wantErr(t, "Put of a large value", err, store.ErrInvalid)
	_, err = b.Create(t.Context(), "k", nil, time.Millisecond)
	wantErr(t, "Create for too short a time", err, store.ErrInvalid)
	if _, err := b.Put(t.Context(), "k", make([]byte, 100)); err != nil {
		t.Errorf("Put of the largest value: got %v, want nil", err)
	}
}

func compareAndSet(t *testing.T, s store.Store) {
	t.Helper()
	b := bucket(t, s, "A", store.BucketOptions{})
	_, err := b.Update(t.Context(), "k", nil, 0, 0)
	wantErr(t, "Update of nothing", err, store.ErrConflict)
	_, err = b.Update(t.Context(), "k", nil, 7, 0)
	wantErr(t, "Update of nothing at 7", err, store.ErrConflict)
	wantErr(t, "Delete of nothing at 7", b.Delete(t.Context(), "k", 7), store.ErrConflict)
	first, err := b.Create(t.Context(), "k", []byte("1"), 0)
	wantErr(t, "Create", err, nil)
	_, err = b.Create(t.Context(), "k", []byte("x"), 0)
	wantErr(t, "Create of what is there", err, store.ErrConflict)
	other := put(t, b, "other", "")
	_, err = b.Update(t.Context(), "k", []byte("x"), other, 0)
	wantErr(t, "Update at a revision of another key", err, store.ErrConflict)
	second, err := b.Update(t.Context(), "k", []byte("2"), first, 0)
	wantErr(t, "Update", err, nil)
	_, err = b.Update(t.Context(), "k", []byte("x"), first, 0)
	wantErr(t, "Update at an old revision", err, store.ErrConflict)
	wantErr(t, "Delete at an old revision", b.Delete(t.Context(), "k", first), store.ErrConflict)
	want(t, b, "k", "2", second)
	wantErr(t, "Delete", b.Delete(t.Context(), "k", second), nil)
	_, err = b.Update(t.Context(), "k", []byte("x"), second, 0)
	wantErr(t, "Update of what was deleted", err, store.ErrConflict)
	third, err := b.Create(t.Context(), "k", []byte("3"), 0)
	wantErr(t, "Create of what was deleted", err, nil)
	want(t, b, "k", "3", third)
}

// compareAndSetByMany counts in one key.
func compareAndSetByMany(t *testing.T, s store.Store) {
	t.Helper()
	const writers, each = 8, 10
	b := bucket(t, s, "A", store.BucketOptions{})
	put(t, b, "n", "0")
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < each; {
				e, err := b.Get(t.Context(), "n")
				if err != nil {
					t.Errorf("Get: got %v, want nil", err)
					return
				}
				n, _ := strconv.Atoi(string(e.Value)) // ours
				_, err = b.Update(t.Context(), "n", []byte(strconv.Itoa(n+1)), e.Revision, 0)
				switch {
				case err == nil:
					done++
				case !errors.Is(err, store.ErrConflict):
					t.Errorf("Update: got %v, want nil or ErrConflict", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if e, err := b.Get(t.Context(), "n"); err != nil || string(e.Value) != strconv.Itoa(writers*each) {
		t.Errorf("counted: got %s, %v, want %d", e.Value, err, writers*each)
	}
}

// gone waits until the key has gone, and returns when.
func gone(t *testing.T, b store.Bucket, key string) time.Time {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := b.Get(t.Context(), key)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return time.Now()
		case err != nil || time.Now().After(deadline):
			t.Fatalf("key %q does not go: %v", key, err)
		}
		<-tick.C
	}
}

func timeToLive(t *testing.T, s store.Store) {
	t.Helper()
	const ttl = 2 * time.Second
	b := bucket(t, s, "A", store.BucketOptions{})
	lease, err := b.Create(t.Context(), "lease", []byte("1"), ttl)
	wantErr(t, "Create", err, nil)
	_, err = b.Create(t.Context(), "stays", nil, ttl)
	wantErr(t, "Create", err, nil)
	put(t, b, "stays", "now") // without a time
	<-time.After(ttl / 2)
	renewed := time.Now()
	_, err = b.Update(t.Context(), "lease", []byte("2"), lease, ttl)
	wantErr(t, "Update", err, nil)
	if lived := gone(t, b, "lease").Sub(renewed); lived < ttl {
		t.Errorf("lived: got %v since it was renewed, want %v or more", lived, ttl)
	}
	if e, err := b.Get(t.Context(), "stays"); err != nil || string(e.Value) != "now" {
		t.Errorf("what was put since: got %q, %v, want now", e.Value, err)
	}
	_, err = b.Create(t.Context(), "lease", nil, 0)
	wantErr(t, "Create after its time", err, nil)
}

func each(t *testing.T, s store.Store) {
	t.Helper()
	b := bucket(t, s, "A", store.BucketOptions{})
	if err := b.Each(t.Context(), "", func(e store.Entry) error { return fmt.Errorf("there is %q", e.Key) }); err != nil {
		t.Errorf("Each of nothing: got %v, want nil", err)
	}
	for n := range 10 {
		put(t, b, fmt.Sprintf("a.%d", n), "old")
		put(t, b, fmt.Sprintf("a.%d", n), "new")
		put(t, b, fmt.Sprintf("b.%d", n), "")
	}
	wantErr(t, "Delete", b.Delete(t.Context(), "a.3", 0), nil)
	got := make(map[string]string)
	err := b.Each(t.Context(), "a.", func(e store.Entry) error {
		if _, twice := got[e.Key]; twice {
			t.Errorf("%q comes twice", e.Key)
		}
		got[e.Key] = string(e.Value)
		return nil
	})
	if err != nil || len(got) != 9 || got["a.3"] != "" || got["a.9"] != "new" {
		t.Errorf("Each: got %v, %v, want a.0 to a.9 without a.3, all new", got, err)
	}
	enough := errors.New("enough")
	calls := 0
	err = b.Each(t.Context(), "", func(store.Entry) error { calls++; return enough })
	if calls != 1 || !errors.Is(err, enough) {
		t.Errorf("Each that ends early: got %v after %d calls, want %v after 1", err, calls, enough)
	}
}

func bucketsAreApart(t *testing.T, s store.Store) {
	t.Helper()
	a, b := bucket(t, s, "A", store.BucketOptions{}), bucket(t, s, "B", store.BucketOptions{})
	revision := put(t, a, "k", "a")
	_, err := b.Get(t.Context(), "k")
	wantErr(t, "Get", err, store.ErrNotFound)
	want(t, bucket(t, s, "A", store.BucketOptions{}), "k", "a", revision)
}

// full fills a Bucket: what does not fit is refused, what is there stays, and
// when something is deleted there is room again.
func full(t *testing.T, s store.Store) {
	t.Helper()
	b := bucket(t, s, "A", store.BucketOptions{MaxBytes: 64 << 10})
	value := strings.Repeat("v", 4<<10)
	n := 0
	for ; n < 100; n++ {
		_, err := b.Put(t.Context(), strconv.Itoa(n), []byte(value))
		if errors.Is(err, store.ErrFull) {
			break
		}
		wantErr(t, "Put", err, nil)
	}
	if n < 10 || n > 16 {
		t.Errorf("values of 4 KiB in 64 KiB: got %d, want 10 to 16", n)
	}
	for k := range n {
		if _, err := b.Get(t.Context(), strconv.Itoa(k)); err != nil {
			t.Errorf("Get %d: got %v, want nil", k, err)
		}
	}
	wantErr(t, "Delete", b.Delete(t.Context(), "0", 0), nil)
	put(t, b, "n", value[:len(value)/2])
}

func reopen(t *testing.T, s Suite) {
	t.Helper()
	st := s.New(t)
	b := bucket(t, st, "A", store.BucketOptions{})
	kept := put(t, b, "kept", "yes")
	put(t, b, "deleted", "")
	wantErr(t, "Delete", b.Delete(t.Context(), "deleted", 0), nil)
	_, err := b.Create(t.Context(), "lease", nil, 2*time.Second)
	wantErr(t, "Create", err, nil)
	last := put(t, b, "last", "")
	for range 2 {
		st = s.Reopen(t, st)
		b = bucket(t, st, "A", store.BucketOptions{})
		want(t, b, "kept", "yes", kept)
		_, err = b.Get(t.Context(), "deleted")
		wantErr(t, "Get of what was deleted", err, store.ErrNotFound)
	}
	if revision := put(t, b, "after", ""); revision <= last {
		t.Errorf("revision after a restart: got %d, want more than %d", revision, last)
	}
	gone(t, b, "lease")
}
