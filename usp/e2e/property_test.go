// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/e2e"
	"github.com/uspgate/uspgate/usp/usprecord"
)

// side is one end of a pipe, with what has come to it.
type side struct {
	s    *e2e.Session
	sent int // Messages
	got  []int
	in   map[int]uint64 // the context that each of the Messages was sent in
	pipe []usp.Record   // to it
	// broken is how often it has given a context up.
	broken int
}

// world is two Sessions and the pipes between them.
type world struct {
	t     *rapid.T
	now   time.Time
	ends  [2]*side
	limit int // MaxRecordSize
	total int // Records sent
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, now: time.Unix(1_000_000, 0), limit: rapid.SampledFrom([]int{0, 120, 512}).Draw(t, "size")}
	id := uint64(1)
	newID := func() uint64 { id++; return id }
	tries := rapid.SampledFrom([]int{-1, 0, 3}).Draw(t, "tries")
	expiration := rapid.SampledFrom([]time.Duration{0, 30 * time.Second}).Draw(t, "expiration")
	for i, who := range []usp.EndpointID{agent, controller} {
		w.ends[i] = &side{in: make(map[int]uint64), s: e2e.New(e2e.Options{
			Local: who, Remote: []usp.EndpointID{controller, agent}[i], NewID: newID,
			Random: func() float64 { return rapid.Float64Range(0, 1).Draw(t, "wait") },
		})}
		w.ends[i].s.Configure(e2e.Settings{
			MaxRecordSize: w.limit, MaxRetransmitTries: tries, Expiration: expiration,
		})
	}
	return w
}

// took hands on what came of a call at one end.
func (w *world) took(i int, out e2e.Output) {
	me, other := w.ends[i], w.ends[1-i]
	for _, m := range out.Messages {
		n := int(binary.BigEndian.Uint32(m))
		if want := payload(n); !bytes.Equal(m, want) {
			w.t.Fatalf("Message %d: got %d bytes, want the %d that were sent", n, len(m), len(want))
		}
		me.got = append(me.got, n)
	}
	if out.Failure != nil {
		me.broken++
	}
	for _, rec := range out.Records {
		if w.limit > 0 && rec.Len() > w.limit {
			w.t.Fatalf("got a Record of %d bytes, want at most %d", rec.Len(), w.limit)
		}
		w.total++
	}
	other.pipe = append(other.pipe, out.Records...)
}

// payload is Message n: of different sizes.
func payload(n int) []byte {
	b := make([]byte, 4+(n*37)%1500)
	binary.BigEndian.PutUint32(b, uint32(n))
	for i := 4; i < len(b); i++ {
		b[i] = byte(n + i)
	}
	return b
}

func (w *world) send(i int) {
	me := w.ends[i]
	out, err := me.s.Send(w.now, payload(me.sent))
	if err != nil {
		w.t.Fatalf("Send: got %v", err)
	}
	for _, rec := range out.Records {
		me.in[me.sent] = rec.Header().SessionID
	}
	me.sent++
	w.took(i, out)
}

// deliver hands over one Record of a pipe.
func (w *world) deliver(i, at int, keep bool) {
	me := w.ends[i]
	rec := me.pipe[at]
	if !keep {
		me.pipe = slices.Delete(me.pipe, at, at+1)
	}
	w.took(i, me.s.Receive(w.now, rec))
}

// tick has both ends do what is due.
func (w *world) tick(d time.Duration) {
	w.now = w.now.Add(d)
	for i, me := range w.ends {
		for next := me.s.Next(); !next.IsZero() && !next.After(w.now); next = me.s.Next() {
			w.took(i, me.s.Tick(w.now))
		}
	}
}

// drain delivers everything, in order, and lets time go by until nothing is to do.
func (w *world) drain() {
	for range 10_000 {
		switch {
		case len(w.ends[0].pipe) > 0:
			w.deliver(0, 0, false)
		case len(w.ends[1].pipe) > 0:
			w.deliver(1, 0, false)
		case w.ends[0].s.Next().IsZero() && w.ends[1].s.Next().IsZero():
			return
		default:
			w.tick(time.Second)
		}
	}
	w.t.Fatal("the two sides come to no end")
}

// act is one random event.
func (w *world) act() {
	i := rapid.IntRange(0, 1).Draw(w.t, "side")
	pipe := w.ends[i].pipe
	what := rapid.SampledFrom([]string{
		"send", "deliver", "deliver", "deliver", "late", "lose", "twice", "time",
	}).Draw(w.t, "what")
	switch {
	case what == "send":
		if w.ends[i].sent < 60 {
			w.send(i)
		}
	case what == "time":
		w.tick(time.Duration(rapid.IntRange(1, 8000).Draw(w.t, "ms")) * time.Millisecond)
	case len(pipe) == 0:
	case what == "deliver":
		w.deliver(i, 0, false)
	case what == "late":
		w.deliver(i, rapid.IntRange(0, min(len(pipe)-1, 4)).Draw(w.t, "at"), false)
	case what == "twice":
		w.deliver(i, rapid.IntRange(0, min(len(pipe)-1, 4)).Draw(w.t, "at"), true)
	case what == "lose":
		w.ends[i].pipe = pipe[1:]
	}
}

// Over a pipe that loses, repeats and reorders Records every Message arrives whole and
// once at most, and those of one context in the order of sending. Once the pipe is good
// again so is everything that is sent, by both sides.
func TestLossyPipe(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 120).Draw(t, "events") {
			w.act()
		}
		w.drain()
		w.settle()
		for i, me := range w.ends {
			last := make(map[uint64]int) // by context
			seen := make(map[int]bool)
			for _, n := range me.got {
				id := w.ends[1-i].in[n]
				if before, ok := last[id]; seen[n] || ok && id != 0 && before > n {
					t.Fatalf("side %d: got Messages %v, want each once and in order", i, me.got)
				}
				last[id], seen[n] = n, true
			}
		}
	})
}

// settle checks that a good pipe is one.
func (w *world) settle() {
	for range 4 { // until both know the same context, each Message may be the one that shows it
		for i := range w.ends {
			w.send(i)
			w.drain()
		}
		w.tick(2 * time.Second)
	}
	for i, me := range w.ends {
		n := len(w.ends[1-i].got)
		for range 3 {
			w.send(i)
		}
		w.drain()
		if got := len(w.ends[1-i].got) - n; got != 3 {
			w.t.Fatalf("side %d has sent 3 Messages over a good pipe: got %d (contexts %d, %d)",
				i, got, me.s.ID(), w.ends[1-i].s.ID())
		}
	}
}

// Without loss nothing is lost, nothing is sent twice, and no context ends, also if both
// sides start one at the same time.
func TestGoodPipe(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		crossed := rapid.Bool().Draw(t, "crossed")
		if w.send(0); crossed {
			w.send(1)
		} else {
			w.drain()
		}
		for range rapid.IntRange(1, 50).Draw(t, "events") {
			i := rapid.IntRange(0, 1).Draw(t, "side")
			if rapid.Bool().Draw(t, "send") {
				w.send(i)
			} else if len(w.ends[i].pipe) > 0 {
				w.deliver(i, 0, false)
			}
		}
		w.drain()
		for i, me := range w.ends {
			inOrder := slices.IsSorted(me.got)
			slices.Sort(me.got)
			sent := w.ends[1-i].sent
			if len(slices.Compact(me.got)) != sent || !inOrder && !crossed || me.broken > 0 {
				t.Fatalf("side %d: got %v, want %d Messages in order; %d contexts ended", i, me.got, sent, me.broken)
			}
		}
	})
}

// Both sides acknowledge what they get, also where only one of them speaks.
func TestAcknowledged(t *testing.T) {
	t.Parallel()
	a := e2e.New(e2e.Options{Local: agent, Remote: controller})
	c := e2e.New(e2e.Options{Local: controller, Remote: agent})
	a.Configure(e2e.Settings{MaxRetransmitTries: 3})
	now, records := time.Unix(0, 0), 0
	for range 500 {
		out, err := a.Send(now, []byte("notify"))
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range out.Records {
			for _, back := range c.Receive(now, rec).Records {
				records++
				if more := a.Receive(now, back); len(more.Records) > 0 || more.Failure != nil {
					t.Fatalf("got %v to an acknowledgement, want nothing", more)
				}
			}
		}
	}
	sent, _, _ := a.Held()
	if records == 0 || records > 20 || sent > 40 {
		t.Errorf("got %d Records back for 500, and %d kept, want a few of both", records, sent)
	}
}

// Whatever comes, a Session stays within its bounds and answers with Records.
func FuzzReceive(f *testing.F) {
	seed := func(ps ...*usprecord.SessionContextRecord) {
		var all []byte
		for _, p := range ps {
			rec := context(f, p)
			raw := rec.Bytes()
			all = binary.BigEndian.AppendUint16(all, uint16(len(raw)))
			all = append(all, raw...)
		}
		f.Add(all)
	}
	seed(&usprecord.SessionContextRecord{SessionId: 7, SequenceId: 1, ExpectedId: 1, Payload: [][]byte{[]byte("x")}})
	seed(&usprecord.SessionContextRecord{SessionId: 7, SequenceId: 1},
		&usprecord.SessionContextRecord{SessionId: 7, SequenceId: 3, PayloadSarState: 1, Payload: [][]byte{[]byte("x")}},
		&usprecord.SessionContextRecord{SessionId: 7, SequenceId: 2, RetransmitId: 1},
		&usprecord.SessionContextRecord{SessionId: 7, SequenceId: 4, PayloadSarState: 3, Payload: [][]byte{nil}})
	seed(&usprecord.SessionContextRecord{SessionId: 7, SequenceId: 1 << 63}, &usprecord.SessionContextRecord{SessionId: 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		s := e2e.New(e2e.Options{Local: agent, Remote: controller, MaxRecords: 4, MaxBytes: 256, MaxMessage: 64})
		s.Configure(e2e.Settings{MaxRetransmitTries: 2, MaxRecordSize: 120})
		now := time.Unix(0, 0)
		for len(data) > 2 {
			n := min(int(binary.BigEndian.Uint16(data)), len(data)-2)
			rec, err := usp.NewRecord(data[2 : 2+n])
			data = data[2+n:]
			if err != nil || rec.Header().Type != usp.RecordSession {
				continue
			}
			now = now.Add(time.Second)
			out := s.Receive(now, rec)
			for range out.Messages {
				more, err := s.Send(now, bytes.Repeat([]byte("answer"), 40))
				if err == nil {
					out.Records = append(out.Records, more.Records...)
				}
			}
			out.Records = append(out.Records, s.Tick(now).Records...)
			for _, r := range out.Records {
				var m usprecord.Record
				if err := proto.Unmarshal(r.Bytes(), &m); err != nil || m.GetSessionContext().GetSequenceId() == 0 {
					t.Fatalf("got %x, %v, want a Record of a Session Context", r.Bytes(), err)
				}
			}
			if sent, early, part := s.Held(); sent > 4 || early > 4 || part > 64 {
				t.Fatalf("got %d sent, %d early, %d bytes in part, want 4, 4, 64 at most", sent, early, part)
			}
		}
	})
}
