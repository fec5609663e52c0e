// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// Sessions are CWMP sessions of many CPE that are all alike: a new TCP connection, an
// Inform, its answer, an empty POST, 204, and the connection is closed. The bytes of
// the Inform are made once and patched, so that the ACS is what the time is spent on.
type Sessions struct {
	// Address is host:port of the ACS.
	Address string
	// Inform is that of every CPE. In it SerialField and ChangeField stand for the number
	// of the CPE and that of what changes, as Field has them.
	Inform *cwmp.Inform
	// Workers is how many CPE have a session at the same time; default 4.
	Workers int
}

// Marks of the fields of Sessions.Inform.
const (
	SerialField = "@@@@@@@@@@@@@@@@"
	ChangeField = "################"
)

// Field is a number as it stands in an Inform.
func Field(n uint64) string {
	var b [fieldWidth]byte
	put(b[:], n)
	return string(b[:])
}

// Round is Count sessions: of the CPE from First on, and after number Devices-1 of those
// from 0 on; 0: there is no last one.
type Round struct {
	First, Count, Devices int
	// Change is what the first says in ChangeField; each that follows says Step more.
	Change, Step uint64
	// Process is the process id of the ACS, for its CPU time; 0: not measured.
	Process int
	// Rest is how long the ACS has time for what sessions have left it to do before
	// its CPU time is read.
	Rest time.Duration
}

// SessionResult is what a Round has shown.
type SessionResult struct {
	Sessions int
	Elapsed  time.Duration
	// CPU is that of the ACS for all Sessions, 0 if it was not measured.
	CPU time.Duration
}

// Rate is in sessions per second.
func (r SessionResult) Rate() float64 { return float64(r.Sessions) / r.Elapsed.Seconds() }

// Each is the CPU time of the ACS for one session.
func (r SessionResult) Each() time.Duration { return r.CPU / time.Duration(max(1, r.Sessions)) }

// Run has one Round. It fails with the first session that does not go as it should:
// an ACS that wants anything of a CPE is one of them.
func (s *Sessions) Run(ctx context.Context, r Round) (SessionResult, error) {
	form, err := s.form()
	if err != nil {
		return SessionResult{}, err
	}
	var before time.Duration
	if r.Process != 0 {
		if before, err = ProcessCPU(r.Process); err != nil {
			return SessionResult{}, err
		}
	}
	began := time.Now()
	err = s.all(ctx, r, form)
	out := SessionResult{Sessions: r.Count, Elapsed: time.Since(began)}
	if err != nil || r.Process == 0 {
		return out, err
	}
	select {
	case <-time.After(r.Rest):
	case <-ctx.Done():
		return out, context.Cause(ctx)
	}
	after, err := ProcessCPU(r.Process)
	out.CPU = after - before
	return out, err
}

// all has the sessions, each worker one after the other.
func (s *Sessions) all(ctx context.Context, r Round, form *informForm) error {
	workers := s.Workers
	if workers <= 0 {
		workers = 4
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	inSession := make([]sync.Mutex, r.Devices) // no CPE has two sessions at the same time
	for range min(workers, r.Count) {
		wg.Go(func() {
			w := &informer{address: s.Address, form: form.clone(), r: bufio.NewReader(nil)}
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= r.Count {
					return
				}
				serial := r.First + i
				if r.Devices > 0 {
					serial %= r.Devices
					inSession[serial].Lock()
				}
				if err := w.session(ctx, serial, r.Change+r.Step*uint64(i)); err != nil {
					cancel(fmt.Errorf("bench: CPE %d: %w", serial, err))
				}
				if r.Devices > 0 {
					inSession[serial].Unlock()
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// informForm is the first POST of a session, with where its fields are.
type informForm struct {
	post           []byte
	serial, change []int
}

func (f *informForm) clone() *informForm {
	return &informForm{bytes.Clone(f.post), f.serial, f.change}
}

func (s *Sessions) form() (*informForm, error) {
	body, err := soap.Append(nil, &cwmp.Envelope{
		Namespace: cwmp.Namespace12, ID: "1", Body: s.Inform,
	})
	if err != nil {
		return nil, fmt.Errorf("bench: Inform: %w", err)
	}
	f := &informForm{post: append([]byte("POST /acs HTTP/1.1\r\nHost: "+s.Address+"\r\nUser-Agent: bench\r\n"+
		"SOAPAction: \r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: "+strconv.Itoa(len(body))+
		"\r\n\r\n"), body...)}
	f.serial, f.change = allOf(f.post, SerialField), allOf(f.post, ChangeField)
	return f, nil
}

// allOf is where a word is.
func allOf(b []byte, word string) []int {
	var at []int
	for i := 0; ; {
		n := bytes.Index(b[i:], []byte(word))
		if n < 0 {
			return at
		}
		at = append(at, i+n)
		i += n + len(word)
	}
}

// informer has the sessions of one worker.
type informer struct {
	address string
	form    *informForm
	r       *bufio.Reader
	empty   []byte
}

// sessionPatience bounds a session.
const sessionPatience = 30 * time.Second

func (w *informer) session(ctx context.Context, serial int, change uint64) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", w.address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // the session is over
	if err := conn.SetDeadline(time.Now().Add(sessionPatience)); err != nil {
		return err
	}
	for _, at := range w.form.serial {
		put(w.form.post[at:at+fieldWidth], uint64(serial))
	}
	for _, at := range w.form.change {
		put(w.form.post[at:at+fieldWidth], change)
	}
	w.r.Reset(conn)
	cookie, err := w.exchange(conn, w.form.post, http.StatusOK)
	if err != nil {
		return fmt.Errorf("the Inform: %w", err)
	}
	w.empty = append(append(append(w.empty[:0], "POST /acs HTTP/1.1\r\nHost: acs\r\nUser-Agent: bench\r\nCookie: "...),
		cookie...), "\r\nContent-Length: 0\r\n\r\n"...)
	if _, err := w.exchange(conn, w.empty, http.StatusNoContent); err != nil {
		return fmt.Errorf("the empty POST: %w", err)
	}
	return nil
}

// StatusError is an answer of the ACS that a session of Sessions has not.
type StatusError struct {
	Status, Want int
	RetryAfter   time.Duration // 0: it said none
}

// Error implements error.
func (e *StatusError) Error() string {
	return fmt.Sprintf("bench: HTTP status %d instead of %d", e.Status, e.Want)
}

// exchange sends a POST and reads its answer.
func (w *informer) exchange(conn net.Conn, post []byte, want int) (cookie string, err error) {
	if _, err := conn.Write(post); err != nil {
		return "", err
	}
	line, err := w.r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	status := &StatusError{Want: want}
	if _, err := fmt.Sscanf(string(line), "HTTP/1.1 %d", &status.Status); err != nil {
		return "", fmt.Errorf("bench: an answer begins with %q: %w", line, err)
	}
	length := 0
	for len(line) > 2 {
		if line, err = w.r.ReadSlice('\n'); err != nil {
			return "", err
		}
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("Set-Cookie")):
			value, _, _ = bytes.Cut(value, []byte(";"))
			cookie = string(value)
		case bytes.EqualFold(name, []byte("Content-Length")):
			length, err = strconv.Atoi(string(value))
		case bytes.EqualFold(name, []byte("Retry-After")):
			var seconds int
			seconds, err = strconv.Atoi(string(value))
			status.RetryAfter = time.Duration(seconds) * time.Second
		}
		if err != nil {
			return "", err
		}
	}
	if status.Status != want {
		return "", status
	}
	_, err = w.r.Discard(length)
	return cookie, err
}
