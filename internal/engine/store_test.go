// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/internal/engine/enginetest"
	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/internal/store/storetest"
)

// stores are the forms of an engine's Store.
func stores(t *testing.T) map[string]func(t *testing.T) *engine.Engine {
	t.Helper()
	open := func(t *testing.T, o engine.Options) *engine.Engine {
		t.Helper()
		e, err := engine.Open(t.Context(), o)
		if err != nil {
			t.Fatalf("Open: got %v, want nil", err)
		}
		t.Cleanup(e.Close)
		return e
	}
	return map[string]func(t *testing.T) *engine.Engine{
		"embedded": func(t *testing.T) *engine.Engine {
			t.Helper()
			return open(t, engine.Options{Dir: t.TempDir()})
		},
		"cluster": func(t *testing.T) *engine.Engine {
			t.Helper()
			return open(t, engine.Options{URL: enginetest.New(t, 3).URL(), Replicas: 3})
		},
	}
}

// opensAgain is a Store with its Engine and where that is.
type opensAgain struct {
	store.Store
	e   *engine.Engine
	dir string
}

func openStore(t *testing.T, dir string, o engine.Options) *opensAgain {
	t.Helper()
	o.Dir = dir
	e, err := engine.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("Open: got %v, want nil", err)
	}
	t.Cleanup(e.Close)
	return &opensAgain{e.Store(), e, dir}
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Suite{
		New: func(t *testing.T) store.Store {
			t.Helper()
			return openStore(t, t.TempDir(), engine.Options{})
		},
		Reopen: func(t *testing.T, s store.Store) store.Store {
			t.Helper()
			was := s.(*opensAgain)
			was.e.Close()
			return openStore(t, was.dir, engine.Options{})
		},
	})
}

func TestStoreLeases(t *testing.T) {
	t.Parallel()
	for name, open := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := open(t).Store().Bucket(t.Context(), "LEASE", store.BucketOptions{})
			if err != nil {
				t.Fatalf("Bucket: got %v, want nil", err)
			}
			seen := make(chan store.Entry, 64)
			ready := make(chan struct{})
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				ended <- b.Watch(ctx, "node/", func(e store.Entry) { seen <- e }, func() { close(ready) })
			}()
			select {
			case <-ready:
			case err := <-ended:
				t.Fatalf("Watch: got %v before it was ready", err)
			}
			const ttl = 2 * time.Second
			first, err := b.Create(t.Context(), "node/a", []byte("1"), ttl)
			if err != nil {
				t.Fatalf("Create: got %v, want nil", err)
			}
			if _, err := b.Create(t.Context(), "node/a", []byte("x"), ttl); !errors.Is(err, store.ErrConflict) {
				t.Errorf("Create of what is there: got %v, want ErrConflict", err)
			}
			begin := time.Now()
			second := first
			for time.Since(begin) < 2*ttl { // renewed for longer than it lives
				again, err := b.Update(t.Context(), "node/a", []byte("2"), second, ttl)
				if err != nil || again <= second {
					t.Fatalf("Update after %v: got %d, %v, want a newer revision", time.Since(begin), again, err)
				}
				second = again
				<-time.After(ttl / 4)
			}
			if _, err := b.Update(t.Context(), "node/a", nil, first, ttl); !errors.Is(err, store.ErrConflict) {
				t.Errorf("Update of an old revision: got %v, want ErrConflict", err)
			}
			if e, err := b.Get(t.Context(), "node/a"); err != nil || string(e.Value) != "2" || e.Revision != second {
				t.Errorf("Get: got %+v, %v, want 2 at %d", e, err, second)
			}
			var last store.Entry
			for !last.Deleted {
				select {
				case last = <-seen:
				case <-time.After(4 * ttl):
					t.Fatal("nobody told that the time has run out")
				}
			}
			if last.Key != "node/a" || last.Revision <= second {
				t.Errorf("the end: got %+v, want node/a, newer than %d", last, second)
			}
			if _, err := b.Get(t.Context(), "node/a"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Get after the end: got %v, want ErrNotFound", err)
			}
			third, err := b.Create(t.Context(), "node/a", []byte("3"), 0)
			if err != nil || third <= second {
				t.Errorf("Create after the end: got %d, %v, want newer than %d", third, err, second)
			}
			if err := b.Delete(t.Context(), "node/a", second); !errors.Is(err, store.ErrConflict) {
				t.Errorf("Delete of an old revision: got %v, want ErrConflict", err)
			}
			if err := b.Delete(t.Context(), "node/a", third); err != nil {
				t.Errorf("Delete: got %v, want nil", err)
			}
			stop()
			if err := <-ended; err != nil {
				t.Errorf("Watch: got %v, want nil", err)
			}
		})
	}
}
