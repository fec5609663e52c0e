// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package journaltest is the behaviour that every device.Journal has.
package journaltest

import (
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/uspgate/uspgate/translate/device"
)

// PerDevice is how many entries of one To the Journal under test takes.
const PerDevice = 8

// Run runs the suite. open returns an empty Journal that takes PerDevice entries
// of one To; it is called once for each test.
func Run(t *testing.T, open func(t *testing.T) device.Journal) {
	t.Helper()
	for name, f := range map[string]func(t *testing.T, j device.Journal){
		"a repeated request":        repeated,
		"keys are whole":            keys,
		"states have one order":     order,
		"replies are copied":        copied,
		"forgotten":                 forgotten,
		"unanswered":                unanswered,
		"answered ones make room":   room,
		"unanswered ones do not":    busy,
		"one of many at a time":     concurrent,
		"forgetting makes room":     forgetRoom,
		"an empty reply is a reply": empty,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, open(t))
		})
	}
}

// RunRestart runs the tests of a Journal that outlives the process. open returns one
// as Run wants it, and a function that opens it again, as the next process does; the
// one before is not used any more then.
func RunRestart(t *testing.T, open func(t *testing.T) (j device.Journal, again func() device.Journal)) {
	t.Helper()
	for name, f := range map[string]func(t *testing.T, j device.Journal, again func() device.Journal){
		"states are kept":  keptStates,
		"bounds are kept":  keptBounds,
		"kept ones can go": keptForgotten,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j, again := open(t)
			f(t, j, again)
		})
	}
}

func keptStates(t *testing.T, j device.Journal, again func() device.Journal) {
	t.Helper()
	first := begin(t, j, key(1), device.StateNew)
	begin(t, j, key(2), device.StateNew)
	must(t, j.OnWire(key(2)))
	begin(t, j, key(3), device.StateNew)
	must(t, j.Answer(key(3), []byte("three")))
	j = again()
	left := map[device.Key]device.State{}
	must(t, j.Unanswered(func(k device.Key, e device.Entry) bool {
		left[k] = e.State
		return true
	}))
	if len(left) != 2 || left[key(1)] != device.StateQueued || left[key(2)] != device.StateOnWire {
		t.Fatalf("got %v left behind, want 1 queued and 2 on the wire", left)
	}
	if e := begin(t, j, key(1), device.StateQueued); !e.At.Equal(first.At) {
		t.Fatalf("got time %v, want %v", e.At, first.At)
	}
	begin(t, j, key(2), device.StateOnWire)
	if e := begin(t, j, key(3), device.StateAnswered); string(e.Reply) != "three" {
		t.Fatalf("got reply %q, want three", e.Reply)
	}
	must(t, j.Answer(key(2), []byte("two")))
	j = again()
	if e := begin(t, j, key(2), device.StateAnswered); string(e.Reply) != "two" {
		t.Fatalf("got reply %q, want two", e.Reply)
	}
}

func keptBounds(t *testing.T, j device.Journal, again func() device.Journal) {
	t.Helper()
	fill(t, j)
	must(t, j.Answer(key(5), nil))
	must(t, j.Answer(key(3), nil))
	j = again()
	begin(t, j, key(100), device.StateNew) // in the place of five, answered first
	begin(t, j, key(3), device.StateAnswered)
	begin(t, j, key(101), device.StateNew) // in the place of three
	if e, err := j.Begin(key(102)); !errors.Is(err, device.ErrBusy) {
		t.Fatalf("got %v, %v, want ErrBusy", e, err)
	}
}

func keptForgotten(t *testing.T, j device.Journal, again func() device.Journal) {
	t.Helper()
	begin(t, j, key(1), device.StateNew)
	j = again()
	must(t, j.Forget(key(1)))
	j = again()
	begin(t, j, key(1), device.StateNew)
}

func key(n int) device.Key {
	return device.Key{To: "os::00256D-1", From: "self::controller", MsgID: strconv.Itoa(n)}
}

// begin wants Begin to find state.
func begin(t *testing.T, j device.Journal, k device.Key, state device.State) device.Entry {
	t.Helper()
	e, err := j.Begin(k)
	if err != nil || e.State != state {
		t.Fatalf("Begin %v: got state %d, %v, want %d", k, e.State, err, state)
	}
	return e
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("got %v, want nil", err)
	}
}

func unknown(t *testing.T, op string, err error) {
	t.Helper()
	if !errors.Is(err, device.ErrUnknownEntry) {
		t.Fatalf("%s: got %v, want ErrUnknownEntry", op, err)
	}
}

func repeated(t *testing.T, j device.Journal) {
	t.Helper()
	first := begin(t, j, key(1), device.StateNew)
	if e := begin(t, j, key(1), device.StateQueued); !e.At.Equal(first.At) || e.At.IsZero() {
		t.Fatalf("got time %v, want that of the first, %v", e.At, first.At)
	}
	must(t, j.OnWire(key(1)))
	begin(t, j, key(1), device.StateOnWire)
	must(t, j.Answer(key(1), []byte("reply")))
	for range 2 {
		if e := begin(t, j, key(1), device.StateAnswered); string(e.Reply) != "reply" {
			t.Fatalf("got reply %q, want reply", e.Reply)
		}
	}
}

func keys(t *testing.T, j device.Journal) {
	t.Helper()
	for _, k := range []device.Key{
		{To: "a", From: "b", MsgID: "c"},
		{To: "a", From: "b", MsgID: "C"},
		{To: "a", From: "bc"},
		{To: "ab", MsgID: "c"},
		{To: "a", MsgID: "bc"},
		{To: "a.b", From: "*", MsgID: ">"},
		{To: "a/b", From: " "},
	} {
		begin(t, j, k, device.StateNew)
	}
}

func order(t *testing.T, j device.Journal) {
	t.Helper()
	unknown(t, "OnWire before Begin", j.OnWire(key(1)))
	unknown(t, "Answer before Begin", j.Answer(key(1), nil))
	unknown(t, "Forget before Begin", j.Forget(key(1)))
	begin(t, j, key(1), device.StateNew)
	must(t, j.OnWire(key(1)))
	must(t, j.OnWire(key(1)))
	must(t, j.Answer(key(1), []byte("one")))
	unknown(t, "OnWire after Answer", j.OnWire(key(1)))
	unknown(t, "second Answer", j.Answer(key(1), []byte("two")))
	unknown(t, "Forget after Answer", j.Forget(key(1)))
	if e := begin(t, j, key(1), device.StateAnswered); string(e.Reply) != "one" {
		t.Fatalf("got reply %q, want the first", e.Reply)
	}
	begin(t, j, key(2), device.StateNew)
	must(t, j.Answer(key(2), []byte("never left"))) // an answer needs no wire
}

func copied(t *testing.T, j device.Journal) {
	t.Helper()
	b := []byte("reply")
	begin(t, j, key(1), device.StateNew)
	must(t, j.Answer(key(1), b))
	copy(b, "XXXXX")
	if e := begin(t, j, key(1), device.StateAnswered); string(e.Reply) != "reply" {
		t.Fatalf("got reply %q, want reply", e.Reply)
	}
}

func empty(t *testing.T, j device.Journal) {
	t.Helper()
	begin(t, j, key(1), device.StateNew)
	must(t, j.Answer(key(1), nil))
	if e := begin(t, j, key(1), device.StateAnswered); len(e.Reply) != 0 {
		t.Fatalf("got reply %q, want an empty one", e.Reply)
	}
}

func forgotten(t *testing.T, j device.Journal) {
	t.Helper()
	begin(t, j, key(1), device.StateNew)
	must(t, j.Forget(key(1)))
	begin(t, j, key(1), device.StateNew)
	must(t, j.OnWire(key(1)))
	must(t, j.Forget(key(1)))
	begin(t, j, key(1), device.StateNew)
}

func unanswered(t *testing.T, j device.Journal) {
	t.Helper()
	for n := range 4 {
		begin(t, j, key(n), device.StateNew)
	}
	must(t, j.OnWire(key(1)))
	must(t, j.Answer(key(2), nil))
	got := map[device.Key]device.State{}
	must(t, j.Unanswered(func(k device.Key, e device.Entry) bool {
		got[k] = e.State
		return true
	}))
	if len(got) != 3 || got[key(0)] != device.StateQueued || got[key(1)] != device.StateOnWire ||
		got[key(3)] != device.StateQueued {
		t.Fatalf("got %v, want 0 and 3 queued, 1 on the wire", got)
	}
	n := 0
	must(t, j.Unanswered(func(k device.Key, _ device.Entry) bool {
		n++
		return j.Forget(k) != nil // f may change the Journal
	}))
	if n != 1 {
		t.Fatalf("got %d calls, want it to stop at the first", n)
	}
}

// fill makes PerDevice entries.
func fill(t *testing.T, j device.Journal) {
	t.Helper()
	for n := range PerDevice {
		begin(t, j, key(n), device.StateNew)
	}
}

func room(t *testing.T, j device.Journal) {
	t.Helper()
	fill(t, j)
	must(t, j.Answer(key(5), []byte("five")))
	must(t, j.Answer(key(3), []byte("three")))
	begin(t, j, key(100), device.StateNew) // in the place of five, answered first
	begin(t, j, key(3), device.StateAnswered)
	begin(t, j, key(5), device.StateNew) // in the place of three
	must(t, j.Answer(key(0), nil))
	begin(t, j, key(3), device.StateNew)
}

func busy(t *testing.T, j device.Journal) {
	t.Helper()
	fill(t, j)
	if e, err := j.Begin(key(100)); !errors.Is(err, device.ErrBusy) {
		t.Fatalf("got %v, %v, want ErrBusy", e, err)
	}
	begin(t, j, key(0), device.StateQueued) // what is there can be asked for
	other := key(100)
	other.To = "os::00256D-2"
	begin(t, j, other, device.StateNew)
}

func forgetRoom(t *testing.T, j device.Journal) {
	t.Helper()
	fill(t, j)
	must(t, j.Forget(key(4)))
	begin(t, j, key(100), device.StateNew)
}

func concurrent(t *testing.T, j device.Journal) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for range 16 {
		wg.Go(func() {
			e, err := j.Begin(key(1))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("got %v, want nil", err)
			}
			if e.State == device.StateNew {
				made++
			}
		})
	}
	wg.Wait()
	if made != 1 {
		t.Fatalf("got %d who may execute the request, want 1", made)
	}
}
