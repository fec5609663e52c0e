// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package relay_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/internal/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is the server of a Controller; it counts what it is asked.
type server struct {
	*httptest.Server
	asked, same atomic.Int32
	body        atomic.Value
}

func serve(t *testing.T) *server {
	t.Helper()
	s := &server{}
	s.body.Store("firmware")
	mux := http.NewServeMux()
	mux.HandleFunc("/fw/", func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		body, _ := s.body.Load().(string)
		w.Header().Set("ETag", `"`+body+`"`)
		if r.Header.Get("If-None-Match") == `"`+body+`"` {
			s.same.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, body)
	})
	mux.HandleFunc("/fw/login", func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "u" || password != "p" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	mux.HandleFunc("/fw/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/secret/x", http.StatusFound)
	})
	mux.HandleFunc("/fw/near", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/fw/x", http.StatusFound)
	})
	mux.HandleFunc("/fw/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	mux.HandleFunc("/fw/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func cache(t *testing.T, s *server, change func(*relay.Options)) *relay.Cache {
	t.Helper()
	o := relay.Options{Dir: t.TempDir(), Allow: []string{s.URL + "/fw/"}, MaxFile: 1 << 16}
	if change != nil {
		change(&o)
	}
	c, err := relay.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func content(t *testing.T, c *relay.Cache, id string) string {
	t.Helper()
	f, ok := c.Open(id)
	if !ok {
		return ""
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func fetch(t *testing.T, c *relay.Cache, url string) relay.File {
	t.Helper()
	f, err := c.Fetch(t.Context(), url, "", "")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Many who want the same file have it fetched once; later it is asked whether it has
// changed, and a new one takes the place of the old.
func TestFetchedOnce(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := cache(t, s, nil)
	var all sync.WaitGroup
	ids := make([]string, 20)
	for i := range ids {
		all.Go(func() {
			if f, err := c.Fetch(context.Background(), s.URL+"/fw/x", "", ""); err == nil {
				ids[i] = f.ID
			}
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] || content(t, c, id) != "firmware" {
			t.Fatalf("got %q, want one file for all", ids)
		}
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("got %d requests, want 1", n)
	}
	again := cache(t, s, func(o *relay.Options) { o.Fresh = time.Nanosecond })
	first, second := fetch(t, again, s.URL+"/fw/x"), fetch(t, again, s.URL+"/fw/x")
	if first != second || s.same.Load() != 1 {
		t.Errorf("got %v and %v, want the same as it has not changed", first, second)
	}
	s.body.Store("newer")
	if f := fetch(t, again, s.URL+"/fw/near"); content(t, again, f.ID) != "newer" {
		t.Error("got the old file, want the new one, by a redirect within what is allowed")
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := cache(t, s, nil)
	for _, path := range []string{"/secret/x", "/fw/../secret/x", "/fw/%2e%2e/secret", "/fw", "/fw/away", "/fw/login"} {
		if _, err := c.Fetch(t.Context(), s.URL+path, "", ""); !errors.Is(err, relay.ErrRefused) {
			t.Errorf("%s: got %v, want ErrRefused", path, err)
		}
	}
	host := strings.TrimPrefix(s.URL, "http://")
	for _, url := range []string{"https://" + host + "/fw/x", "http://u:p@" + host + "/fw/x"} {
		if c.Allows(url) {
			t.Errorf("%s is allowed", url)
		}
	}
	if _, err := c.Fetch(t.Context(), s.URL+"/fw/endless", "", ""); !errors.Is(err, relay.ErrRefused) {
		t.Errorf("got %v for a file without end, want ErrRefused", err)
	}
	if _, err := c.Fetch(t.Context(), s.URL+"/fw/broken", "", ""); err == nil || errors.Is(err, relay.ErrRefused) {
		t.Errorf("got %v from a server that is broken, want another error", err)
	}
	if _, err := c.Fetch(t.Context(), s.URL+"/fw/login", "u", "p"); err != nil {
		t.Errorf("got %v with the login, want nil", err)
	}
	for _, allow := range []string{"ftp://h/", "h/", "http://u@h/", "http://h/?q"} {
		if _, err := relay.New(relay.Options{Dir: t.TempDir(), Allow: []string{allow}}); err == nil {
			t.Errorf("%s: got nil, want it refused", allow)
		}
	}
}

// What a process has fetched the next one has; what was used longest ago makes room.
func TestFolder(t *testing.T) {
	t.Parallel()
	s := serve(t)
	dir := t.TempDir()
	same := func(o *relay.Options) { o.Dir, o.MaxTotal = dir, 20 }
	c := cache(t, s, same)
	first := fetch(t, c, s.URL+"/fw/1")
	if err := os.WriteFile(filepath.Join(dir, "x.part"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	c = cache(t, s, same)
	if content(t, c, first.ID) != "firmware" {
		t.Fatal("what was fetched before the restart is gone")
	}
	if f, ok := c.Open(first.ID); !ok || !f.ModTime().Equal(first.Modified) || f.Size() != first.Size {
		t.Error("a file is another one after a restart")
	}
	fetch(t, c, s.URL+"/fw/2")
	third := fetch(t, c, s.URL+"/fw/3") // 24 bytes
	if _, ok := c.Open(first.ID); ok || content(t, c, third.ID) != "firmware" {
		t.Error("the file that was used longest ago has not made room")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 2 {
		t.Errorf("got %v in the folder, want two files", left)
	}
}
