// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package buffertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/uspgate/uspgate/routing/buffer"
)

// model does at random what can be done with a Queue, and has it differ in nothing
// from a simple list for each Lane.
func model(t *testing.T, s Suite) {
	t.Helper()
	for name, l := range map[string]Limits{
		"RefuseNew":  {Records: 6, Bytes: 1000, TotalRecords: 14, TotalBytes: 2200},
		"DropOldest": {Records: 6, Bytes: 1000, TotalRecords: 14, TotalBytes: 2200, Overflow: buffer.DropOldest},
		"Age":        {Records: 6, Bytes: 1000, TotalRecords: 1000, TotalBytes: 1 << 20, MaxAge: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{t: t, s: s, q: s.New(t, l), limits: l}
			rapid.Check(t, w.play)
		})
	}
}

// world is a Queue and what has to be in it.
type world struct {
	t      *testing.T
	s      Suite
	q      buffer.Queue
	limits Limits

	used  int           // Lanes of earlier plays
	lanes []buffer.Lane // of this one
	lists map[buffer.Lane][]modelled
	past  map[buffer.Lane][]modelled // all that was put
	given map[uint64]bool            // the Seqs of those dropped from behind others
	drops []buffer.Drop              // without their time
	n     int
}

// modelled is one Record.
type modelled struct {
	it      buffer.Item
	session byte // 0: none
	old     bool // beyond MaxAge
}

func (m *modelled) size() int64 { return int64(m.it.Record.Len()) }

// play is one run, in Lanes of its own.
func (w *world) play(rt *rapid.T) {
	for _, l := range w.q.Lanes() {
		if _, err := w.q.Purge(w.t.Context(), l); err != nil {
			rt.Fatalf("Purge: %v", err)
		}
	}
	w.lanes, w.lists, w.past = nil, make(map[buffer.Lane][]modelled), make(map[buffer.Lane][]modelled)
	for range 3 {
		w.lanes = append(w.lanes, lane(w.used))
		w.used++
	}
	w.drops, w.given = nil, make(map[uint64]bool)
	actions := map[string]func(*rapid.T){
		"put": w.put, "put another": w.put, "put one more": w.put, "put in a session": w.putInSession,
		"read": w.read, "remove": w.remove, "purge": w.purge, "": w.compare,
	}
	rt.Repeat(actions)
	if w.s.Reopen == nil || w.s.Crash == nil || rapid.IntRange(0, 9).Draw(rt, "again") != 5 {
		return
	}
	w.restart(rt)
	rt.Repeat(actions)
}

// listed is Dropped without times.
func (w *world) listed() []buffer.Drop {
	l, ok := w.q.(buffer.Lister)
	if !ok {
		w.t.Fatalf("%T does not list what it drops", w.q)
	}
	drops := l.Dropped()
	for i := range drops {
		drops[i].At = time.Time{}
	}
	return drops
}

func (w *world) lane(rt *rapid.T) buffer.Lane { return rapid.SampledFrom(w.lanes).Draw(rt, "lane") }

func (w *world) put(rt *rapid.T) {
	l := w.lane(rt)
	w.n++
	size := rapid.SampledFrom([]int{0, 1, 50, 150, 350, 900, 2000}).Draw(rt, "size")
	m := modelled{it: whole(l, fmt.Sprintf("%d %s", w.n, strings.Repeat("x", size)))}
	w.offer(rt, &m)
}

func (w *world) putInSession(rt *rapid.T) {
	l := w.lane(rt)
	w.n++
	m := modelled{session: rapid.SampledFrom([]byte{5, 6}).Draw(rt, "session")}
	m.it = inSession(w.t, l, m.session, byte(w.n%128), time.Now())
	w.offer(rt, &m)
}

// offer puts m, in the Queue and here.
func (w *world) offer(rt *rapid.T, m *modelled) {
	l := m.it.Lane
	w.expire(l)
	if w.limits.MaxAge > 0 && len(w.lists[l]) == 0 && rapid.IntRange(0, 2).Draw(rt, "old") == 1 {
		m.old, m.it.At = true, time.Now().Add(-2*w.limits.MaxAge)
	}
	want := w.take(m)
	if r, ok := w.q.(buffer.Roomer); ok {
		if err := r.Fits(l, m.it.Record.Len()); (err == nil) != want {
			rt.Fatalf("Fits: got %v, want that it is taken: %v", err, want)
		}
	}
	got := put(w.t, w.q, m.it)
	if (got.err == nil) != want {
		rt.Fatalf("Put of %d bytes: got %v, want that it is taken: %v", m.size(), got.err, want)
	}
	if !want {
		return
	}
	if mine := w.past[l]; len(mine) > 0 && got.seq <= mine[len(mine)-1].it.Seq {
		rt.Fatalf("Put: got Seq %d after %d, want a greater one", got.seq, mine[len(mine)-1].it.Seq)
	}
	m.it.Seq = got.seq
	w.lists[l] = append(w.lists[l], *m)
	w.past[l] = append(w.past[l], *m)
}

// take makes room for m as the policy says, if that is enough, which it reports.
func (w *world) take(m *modelled) bool {
	l := m.it.Lane
	records, bytes := w.sum(l)
	allRecords, allBytes := w.sum(w.lanes...)
	fits := func() bool { return records < w.limits.Records && bytes+m.size() <= w.limits.Bytes }
	var out []int
	for i := range w.lists[l] {
		if o := &w.lists[l][i]; w.limits.Overflow == buffer.DropOldest && !fits() && o.session == 0 {
			records, bytes = records-1, bytes-o.size()
			allRecords, allBytes = allRecords-1, allBytes-o.size()
			out = append(out, i-len(out))
		}
	}
	if !fits() || allRecords >= w.limits.TotalRecords || allBytes+m.size() > w.limits.TotalBytes {
		return false
	}
	for _, i := range out {
		w.drop(l, i, buffer.ReasonOldest)
	}
	return true
}

func (w *world) sum(lanes ...buffer.Lane) (records int, bytes int64) {
	for _, l := range lanes {
		for i := range w.lists[l] {
			records++
			bytes += w.lists[l][i].size()
		}
	}
	return records, bytes
}

// drop gives up the one at i.
func (w *world) drop(l buffer.Lane, i int, why buffer.Reason) {
	m := w.lists[l][i]
	w.drops = append(w.drops, buffer.Drop{Lane: l, Seq: m.it.Seq, Records: 1, Bytes: m.size(), Reason: why})
	w.given[m.it.Seq] = i > 0
	w.lists[l] = slices.Delete(slices.Clone(w.lists[l]), i, i+1)
}

// expire drops what is too old, with the rest of its session.
func (w *world) expire(l buffer.Lane) {
	for len(w.lists[l]) > 0 && w.lists[l][0].old {
		session := w.lists[l][0].session
		w.drop(l, 0, buffer.ReasonExpired)
		for i := 0; session != 0 && i < len(w.lists[l]); {
			if w.lists[l][i].session != session {
				i++
				continue
			}
			w.drop(l, i, buffer.ReasonExpired)
		}
	}
}

// seq draws one that is, was or might be in the Lane.
func (w *world) seq(rt *rapid.T, l buffer.Lane) uint64 {
	seqs := []uint64{0, 1, 1 << 62}
	for i := range w.past[l] {
		seq := w.past[l][i].it.Seq
		seqs = append(seqs, seq-1, seq, seq+1)
	}
	return rapid.SampledFrom(seqs).Draw(rt, "seq")
}

func (w *world) read(rt *rapid.T) {
	l := w.lane(rt)
	after := w.seq(rt, l)
	records := rapid.IntRange(1, 8).Draw(rt, "records")
	bytes := rapid.Int64Range(1, 1500).Draw(rt, "bytes")
	w.expire(l)
	items, err := w.q.Read(w.t.Context(), l, after, records, bytes)
	if err != nil {
		rt.Fatalf("Read: %v", err)
	}
	var want []modelled
	for _, m := range w.lists[l] {
		if m.it.Seq <= after {
			continue
		}
		if bytes -= m.size(); len(want) == records || len(want) > 0 && bytes < 0 {
			break
		}
		want = append(want, m)
	}
	w.same(rt, items, want)
}

// same compares Items.
func (w *world) same(rt *rapid.T, got []buffer.Item, want []modelled) {
	if len(got) != len(want) {
		rt.Fatalf("got %d Items, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].Seq != want[i].it.Seq {
			rt.Fatalf("Item %d: got Seq %d, want %d", i, got[i].Seq, want[i].it.Seq)
		}
		wantWhole(w.t, &got[i], &want[i].it)
	}
	if w.t.Failed() {
		rt.FailNow()
	}
}

func (w *world) remove(rt *rapid.T) {
	l := w.lane(rt)
	upTo := w.seq(rt, l)
	if err := w.q.Remove(w.t.Context(), l, upTo); err != nil {
		rt.Fatalf("Remove: %v", err)
	}
	w.lists[l] = slices.DeleteFunc(slices.Clone(w.lists[l]), func(m modelled) bool { return m.it.Seq <= upTo })
}

func (w *world) purge(rt *rapid.T) {
	l := w.lane(rt)
	got, err := w.q.Purge(w.t.Context(), l)
	if want := len(w.lists[l]); got != want || err != nil {
		rt.Fatalf("Purge: got %d, %v, want %d", got, err, want)
	}
	if n, bytes := w.sum(l); n > 0 {
		w.drops = append(w.drops, buffer.Drop{
			Lane: l, Seq: w.lists[l][0].it.Seq, Records: n, Bytes: bytes, Reason: buffer.ReasonPurged,
		})
	}
	w.lists[l] = nil
}

// compare looks at all that is answered from memory.
func (w *world) compare(rt *rapid.T) {
	waiting := 0
	for _, l := range w.lanes {
		var want buffer.Depth
		if want.Records, want.Bytes = w.sum(l); want.Records > 0 {
			want.Oldest = w.lists[l][0].it.At
			waiting++
		}
		got := w.q.Depth(l)
		if got.Records != want.Records || got.Bytes != want.Bytes || !got.Oldest.Equal(want.Oldest) {
			rt.Fatalf("Depth: got %+v, want %+v", got, want)
		}
		if slices.Contains(w.q.Lanes(), l) != (want.Records > 0) {
			rt.Fatalf("Lanes: got %v, and %d Records wait in %v", w.q.Lanes(), want.Records, l)
		}
	}
	if got := w.q.Lanes(); len(got) != waiting {
		rt.Fatalf("Lanes: got %v, want %d", got, waiting)
	}
	all := w.listed()
	if n := len(w.drops); n > len(all) || !slices.Equal(all[len(all)-n:], w.drops) {
		rt.Fatalf("Dropped: got %+v, want %+v at the end", all, w.drops)
	}
}

// begunOld reports that m is of a session whose beginning has expired. Where that comes
// again, it takes m along.
func (w *world) begunOld(m *modelled) bool {
	return m.session != 0 && slices.ContainsFunc(w.past[m.it.Lane], func(o modelled) bool {
		return o.old && o.session == m.session && o.it.Seq < m.it.Seq
	})
}

// restart ends the Queue one way or the other. After a crash, what is gone may come
// again, in its place.
func (w *world) restart(rt *rapid.T) {
	crash := rapid.Bool().Draw(rt, "crash")
	if crash {
		w.q = w.s.Crash(w.t, w.q)
	} else {
		w.q = w.s.Reopen(w.t, w.q)
	}
	w.drops = nil
	for _, l := range w.q.Lanes() {
		if slices.Contains(w.lanes, l) {
			continue
		}
		if !crash {
			rt.Fatalf("got %v again, which was purged", l)
		}
		if _, err := w.q.Purge(w.t.Context(), l); err != nil {
			rt.Fatalf("Purge: %v", err)
		}
	}
	for _, l := range w.lanes {
		w.expire(l)
		items := read(w.t, w.q, l, 0, 1000)
		var found []modelled
		for _, m := range w.past[l] {
			at := slices.IndexFunc(items, func(it buffer.Item) bool { return it.Seq == m.it.Seq })
			waits := slices.ContainsFunc(w.lists[l], func(o modelled) bool { return o.it.Seq == m.it.Seq })
			if waits && at < 0 && (!crash || !w.begunOld(&m)) {
				rt.Fatalf("%d is lost", m.it.Seq)
			}
			if at >= 0 && (waits || crash || w.s.Forgetful && w.given[m.it.Seq]) {
				found = append(found, m)
			}
		}
		w.same(rt, items, found)
		w.lists[l] = found
	}
	if got := dropped(w.t, w.q, buffer.ReasonDamaged); len(got) > 0 {
		rt.Fatalf("got %+v reported as damaged, want nothing", got)
	}
	w.drops = nil
	w.compare(rt)
}
