// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package buffer

import (
	"hash/fnv"
	"sort"
	"strings"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// Ledger keeps account of what waits in a Queue, and decides by Limits what is
// taken and what has to go; so every implementation decides alike. R is where
// the implementation has the Record. It is not safe for concurrent use: the
// Queue locks.
type Ledger[R any] struct {
	limits Limits
	m      *Metrics
	drops  drops
	gone   func(line *Line[R], e *Entry[R])

	lines   map[Lane]*Line[R]
	visible int // Lines with Entries
	records int // these three with what is reserved
	bytes   int64
	swept   time.Time // when expired Records of all Lanes were last dropped
	room    room
}

// Entry is one waiting Record.
type Entry[R any] struct {
	Seq     uint64
	At      int64  // when it was accepted, in Unix nanoseconds
	Session uint64 // of SessionKey
	Ref     R
	Size    uint32 // of the Record in bytes
}

// Line is one Lane: its Entries by Seq, and the room reserved behind them.
type Line[R any] struct {
	Lane Lane
	// Next and High are the implementation's: the Seq of the next Record, and the
	// highest that is stored.
	Next, High uint64

	entries  []Entry[R] // those from head on wait
	head     int
	bytes    int64
	reserved int
	held     int64 // bytes of what is reserved
}

// SessionKey tells the session contexts of a Lane apart; 0: it has none.
func SessionKey(h *usp.Header) uint64 {
	if h.Type != usp.RecordSession {
		return 0
	}
	f := fnv.New64a()
	_, _ = f.Write([]byte(h.From)) // it never fails
	id := h.SessionID
	_, _ = f.Write([]byte{
		0, byte(id), byte(id >> 8), byte(id >> 16), byte(id >> 24),
		byte(id >> 32), byte(id >> 40), byte(id >> 48), byte(id >> 56),
	})
	return max(f.Sum64(), 1)
}

// NewLedger makes an empty one. gone, unless nil, is called for every Entry that
// leaves, whatever the reason; it must not call back.
func NewLedger[R any](l Limits, m *Metrics, gone func(*Line[R], *Entry[R])) (*Ledger[R], error) {
	l, err := l.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Ledger[R]{limits: l, m: m, gone: gone, lines: make(map[Lane]*Line[R]), room: newRoom()}, nil
}

// Line returns that of lane, or nil.
func (g *Ledger[R]) Line(lane Lane) *Line[R] { return g.lines[lane] }

// Open returns the Line of lane, made if need be; it ends with Tidy, once
// nothing is in it.
func (g *Ledger[R]) Open(lane Lane) *Line[R] {
	l := g.lines[lane]
	if l == nil {
		lane.To.ID = usp.EndpointID(strings.Clone(string(lane.To.ID)))
		lane.From = usp.EndpointID(strings.Clone(string(lane.From)))
		l = &Line[R]{Lane: lane}
		g.lines[lane] = l
	}
	return l
}

// Reserve takes room for a Record of size bytes, after making it if the policy
// allows, or counts a refusal and returns ErrFull. Commit or Cancel follow.
func (g *Ledger[R]) Reserve(lane Lane, size int, now time.Time) (*Line[R], error) {
	if l := g.lines[lane]; l != nil {
		g.expire(l, now)
	}
	drop, ok := g.placeFor(lane, int64(size), now)
	if !ok {
		g.m.Dropped(ReasonFull, 1)
		g.room.want()
		return nil, ErrFull
	}
	if l := g.lines[lane]; l != nil {
		g.dropOldest(l, drop, now)
	}
	l := g.Open(lane) // making room may have ended it
	l.reserved++
	l.held += int64(size)
	g.records++
	g.bytes += int64(size)
	return l, nil
}

// Commit puts e, for which there is a reservation, behind the Line's Entries.
func (g *Ledger[R]) Commit(l *Line[R], e *Entry[R]) {
	l.reserved--
	l.held -= int64(e.Size)
	g.show(l, e)
}

func (g *Ledger[R]) show(l *Line[R], e *Entry[R]) {
	if l.Len() == 0 {
		g.visible++
	}
	l.entries = append(l.entries, *e)
	l.bytes += int64(e.Size)
	g.m.Add(1, int64(e.Size))
}

// Cancel gives a reservation back.
func (g *Ledger[R]) Cancel(l *Line[R], size int) {
	l.reserved--
	l.held -= int64(size)
	g.records--
	g.bytes -= int64(size)
	g.room.made()
	g.Tidy(l)
}

// Restore puts in an Entry that the store has, in any order and whatever the
// limits are. Settle follows once all of the Line are in.
func (g *Ledger[R]) Restore(l *Line[R], e *Entry[R]) {
	g.records++
	g.bytes += int64(e.Size)
	g.show(l, e)
}

// Settle puts restored Entries in order; of those with the same Seq better
// chooses whether the first or the second stays.
func (g *Ledger[R]) Settle(l *Line[R], better func(a, b *Entry[R]) bool) {
	sorted := func(i, j int) bool { return l.entries[i].Seq < l.entries[j].Seq }
	if !sort.SliceIsSorted(l.entries, sorted) {
		sort.SliceStable(l.entries, sorted)
	}
	for i := 1; i < len(l.entries); {
		a, b := &l.entries[i-1], &l.entries[i]
		if a.Seq != b.Seq {
			i++
			continue
		}
		if better(a, b) {
			g.take(l, i)
		} else {
			g.take(l, i-1)
			i = max(i, l.head+1)
		}
	}
}

// Forget leaves out a Line, as if it had never been; nothing is gone.
func (g *Ledger[R]) Forget(l *Line[R]) {
	n := l.Len()
	if n > 0 {
		g.visible--
	}
	g.m.Add(-n, -l.bytes)
	g.records -= n + l.reserved
	g.bytes -= l.bytes + l.held
	g.room.made()
	delete(g.lines, l.Lane)
}

// Sweep drops what has expired in any Lane.
func (g *Ledger[R]) Sweep(now time.Time) {
	g.swept = now
	for _, l := range g.lines {
		g.expire(l, now)
	}
}

// expire drops what is too old, and with the first of a session the rest of
// it: its receiver could do nothing with the remainder.
func (g *Ledger[R]) expire(l *Line[R], now time.Time) {
	limit := now.Add(-g.limits.MaxAge).UnixNano()
	if l.Len() == 0 || l.entries[l.head].At >= limit {
		return
	}
	for l.Len() > 0 && l.entries[l.head].At < limit {
		session := l.entries[l.head].Session
		g.dropAt(l, l.head, ReasonExpired, now)
		if session == 0 {
			continue
		}
		for i := l.head; i < len(l.entries); {
			if l.entries[i].Session != session {
				i++
				continue
			}
			g.dropAt(l, i, ReasonExpired, now)
			i = max(i, l.head)
		}
	}
	g.Tidy(l)
}

// Drop gives up the Entry of that Seq, if it waits.
func (g *Ledger[R]) Drop(l *Line[R], seq uint64, why Reason, now time.Time) {
	if i := l.after(seq - 1); i < len(l.entries) && l.entries[i].Seq == seq {
		g.dropAt(l, i, why, now)
		g.Tidy(l)
	}
}

func (g *Ledger[R]) dropAt(l *Line[R], i int, why Reason, now time.Time) {
	g.m.Dropped(why, 1)
	e := &l.entries[i]
	g.drops.add(Drop{Lane: l.Lane, Seq: e.Seq, Records: 1, Bytes: int64(e.Size), Reason: why, At: now})
	g.take(l, i)
}

// take removes the Entry at i, which is at or after head.
func (g *Ledger[R]) take(l *Line[R], i int) {
	e := l.entries[i]
	if i == l.head {
		l.entries[i] = Entry[R]{}
		l.head++
	} else {
		copy(l.entries[i:], l.entries[i+1:])
		l.entries[len(l.entries)-1] = Entry[R]{}
		l.entries = l.entries[:len(l.entries)-1]
	}
	if l.Len() == 0 {
		g.visible--
	}
	size := int64(e.Size)
	l.bytes -= size
	g.records--
	g.bytes -= size
	g.m.Add(-1, -size)
	g.room.made()
	if g.gone != nil {
		g.gone(l, &e)
	}
}

// Tidy gives back the room of what is gone, and the Line if nothing is left.
func (g *Ledger[R]) Tidy(l *Line[R]) {
	switch {
	case l.Len() == 0 && l.reserved == 0:
		delete(g.lines, l.Lane)
	case l.head > 32 && l.head*2 > len(l.entries):
		l.entries = append(make([]Entry[R], 0, l.Len()*2), l.entries[l.head:]...)
		l.head = 0
	}
}

// Read returns the Entries of lane with a Seq greater than after, within records
// and, beyond the first, bytes. They are the Ledger's until it is changed.
func (g *Ledger[R]) Read(lane Lane, after uint64, records int, bytes int64, now time.Time) []Entry[R] {
	l := g.lines[lane]
	if l == nil {
		return nil
	}
	g.expire(l, now)
	first := l.after(after)
	last := first
	for ; last < len(l.entries) && last-first < records; last++ {
		if bytes -= int64(l.entries[last].Size); bytes < 0 && last > first {
			break
		}
	}
	return l.entries[first:last]
}

// Remove takes out what has a Seq up to and with upTo.
func (g *Ledger[R]) Remove(lane Lane, upTo uint64) {
	if l := g.lines[lane]; l != nil {
		for l.Len() > 0 && l.entries[l.head].Seq <= upTo {
			g.take(l, l.head)
		}
		g.Tidy(l)
	}
}

// Purge drops all that waits in lane and returns how many Records it was.
func (g *Ledger[R]) Purge(lane Lane, now time.Time) int {
	l := g.lines[lane]
	if l == nil || l.Len() == 0 {
		return 0
	}
	n, bytes, first := l.Len(), l.bytes, l.entries[l.head].Seq
	for l.Len() > 0 {
		g.take(l, l.head)
	}
	g.m.Dropped(ReasonPurged, n)
	g.drops.add(Drop{Lane: l.Lane, Seq: first, Records: n, Bytes: bytes, Reason: ReasonPurged, At: now})
	g.Tidy(l)
	return n
}

// Depth is what waits in lane.
func (g *Ledger[R]) Depth(lane Lane) Depth {
	l := g.lines[lane]
	if l == nil || l.Len() == 0 {
		return Depth{}
	}
	return Depth{Records: l.Len(), Bytes: l.bytes, Oldest: time.Unix(0, l.entries[l.head].At)}
}

// Lanes lists those in which something waits.
func (g *Ledger[R]) Lanes() []Lane {
	lanes := make([]Lane, 0, g.visible)
	for lane, l := range g.lines {
		if l.Len() > 0 {
			lanes = append(lanes, lane)
		}
	}
	return lanes
}

// Each calls f for every Line, until it returns false.
func (g *Ledger[R]) Each(f func(*Line[R]) bool) {
	for _, l := range g.lines {
		if !f(l) {
			return
		}
	}
}

// Dropped lists the last Drops.
func (g *Ledger[R]) Dropped() []Drop { return g.drops.list() }

// Len is how many Records wait in the Line, without what is reserved.
func (l *Line[R]) Len() int { return len(l.entries) - l.head }

// Reserved is how many Records have a reservation.
func (l *Line[R]) Reserved() int { return l.reserved }

// Entries are those that wait, by Seq. They are the Ledger's.
func (l *Line[R]) Entries() []Entry[R] { return l.entries[l.head:] }

// after is the index of the first Entry with a Seq greater than seq.
func (l *Line[R]) after(seq uint64) int {
	return l.head + sort.Search(l.Len(), func(i int) bool { return l.entries[l.head+i].Seq > seq })
}
