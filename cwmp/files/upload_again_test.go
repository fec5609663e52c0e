// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp/files"
)

// A repeated PUT replaces the file; a one-time URL takes one that is whole.
func TestRepeatedUploadReplaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := start(t, files.Options{UploadRoot: dir})
	ev := newEvents()
	ticket := accept(t, s, files.Intake{File: "sub/up.cfg", Access: files.Access{Uses: 2, Notify: ev.notify}})
	if !strings.HasSuffix(ticket.URL, "/up.cfg") {
		t.Errorf("got %s, want the name of the file in it", ticket.URL)
	}
	for _, text := range []string{"first", "second"} {
		do(t, "PUT", ticket.URL, strings.NewReader(text))
		if got, err := os.ReadFile(filepath.Join(dir, "sub", "up.cfg")); err != nil || string(got) != text {
			t.Errorf("got %q, %v, want %q", got, err, text)
		}
		ev.want(t, files.Started, files.Finished)
	}
	ev.want(t, files.Closed)
	if got := do(t, "PUT", ticket.URL, strings.NewReader("third")); got.StatusCode != http.StatusNotFound {
		t.Errorf("got %d, want 404", got.StatusCode)
	}
	onlyFiles(t, filepath.Join(dir, "sub"), "up.cfg")
}

func onlyFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("got files %q, want %q", got, want)
	}
}

// What is cut off leaves nothing, and the file of before.
func TestPartialUploadIsDiscarded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, files.Options{UploadRoot: dir})
	ev := newEvents()
	ticket := accept(t, s, files.Intake{File: "up.cfg", Access: files.Access{Uses: 2, Notify: ev.notify}})
	do(t, "PUT", ticket.URL, strings.NewReader("whole"))
	ev.want(t, files.Started, files.Finished)
	for _, head := range []string{"Content-Length: 100", "Transfer-Encoding: chunked"} {
		c := dial(t, ticket.URL)
		_, _ = io.WriteString(c, "PUT "+pathOf(t, ticket.URL)+" HTTP/1.1\r\nHost: h\r\n"+head+"\r\n\r\n4\r\nhalf\r\n")
		_ = c.Close()
		if e := ev.want(t, files.Started, files.Failed); !errors.Is(e.Err, files.ErrInterrupted) {
			t.Errorf("%s: got %v, want ErrInterrupted", head, e.Err)
		}
	}
	if got, err := os.ReadFile(filepath.Join(dir, "up.cfg")); err != nil || string(got) != "whole" {
		t.Errorf("got %q, %v, want what was whole", got, err)
	}
	onlyFiles(t, dir, "up.cfg")
}

// The CPE lost its connection, which we do not know yet, and begins again.
func TestUploadThatBeginsAgainReplacesTheStuckOne(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	m, ev := new(memory), newEvents()
	ticket := accept(t, s, files.Intake{Open: m.open, Access: files.Access{Notify: ev.notify}})
	c := dial(t, ticket.URL)
	_, _ = io.WriteString(c, "PUT "+pathOf(t, ticket.URL)+" HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf")
	ev.want(t, files.Started)
	got := make(chan int, 1)
	go func() { got <- do(t, "PUT", ticket.URL, strings.NewReader("whole")).StatusCode }()
	var failed, finished int
	for range 3 {
		switch e := <-ev; e.Kind {
		case files.Failed:
			failed++
			if !errors.Is(e.Err, files.ErrReplaced) {
				t.Errorf("got %v, want ErrReplaced", e.Err)
			}
		case files.Finished:
			finished++
		default:
		}
	}
	if status := <-got; status != 200 || failed != 1 || finished != 1 {
		t.Errorf("got %d, %d failed, %d finished, want the new one", status, failed, finished)
	}
	if kept, dropped := m.state(); !slices.Equal(kept, []string{"whole"}) || dropped != 1 {
		t.Errorf("got %q kept, %d discarded, want the new one kept", kept, dropped)
	}
}

// commits notes in which order uploads are committed. The first waits.
type commits struct {
	null
	text           *bytes.Buffer
	began, proceed chan struct{}
	order          chan string
}

func (c commits) Write(p []byte) (int, error) { return c.text.Write(p) }

func (c commits) Commit() error {
	if c.text.String() == "1" {
		close(c.began)
		<-c.proceed
	}
	c.order <- c.text.String()
	return nil
}

// Of two uploads the newer is committed last, also when it comes while the older
// is being committed.
func TestNewerUploadIsCommittedLast(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	c := commits{began: make(chan struct{}), proceed: make(chan struct{}), order: make(chan string, 2)}
	ticket := accept(t, s, files.Intake{Open: func(context.Context) (files.Destination, error) {
		d := c
		d.text = new(bytes.Buffer)
		return d, nil
	}})
	put := "PUT " + pathOf(t, ticket.URL) + " HTTP/1.0\r\nContent-Length: 1\r\n\r\n"
	_, _ = io.WriteString(dial(t, ticket.URL), put+"1")
	<-c.began
	_, _ = io.WriteString(dial(t, ticket.URL), put+"2")
	until(t, func() bool {
		st, _ := s.Status(ticket.Token)
		return st.Bytes == 2
	})
	close(c.proceed)
	if first, second := <-c.order, <-c.order; first != "1" || second != "2" {
		t.Errorf("got %s and then %s, want the newer last", first, second)
	}
}
