// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package buffer

import (
	"context"
	"errors"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/usp"
)

// Overflow says what a Memory does with a Record for which a Lane has no room.
type Overflow uint8

const (
	// RefuseNew refuses it with ErrFull: the sender hears of it.
	RefuseNew Overflow = iota
	// DropOldest drops the Lane's oldest Records without session context until
	// there is room: a sequence of session Records is never cut. If they alone
	// fill the Lane, the new Record is refused. The limits over all Lanes
	// refuse, too.
	DropOldest
)

// Defaults of MemoryOptions.
const (
	DefaultMaxRecords   = 1000
	DefaultMaxBytes     = 4 << 20
	DefaultMaxAge       = 24 * time.Hour
	DefaultTotalRecords = 1_000_000
	DefaultTotalBytes   = 256 << 20
)

// MemoryOptions bound a Memory.
type MemoryOptions struct {
	// MaxRecords and MaxBytes bound one Lane, that is one address. Defaults 1000 and 4 MiB.
	MaxRecords int
	MaxBytes   int64
	// MaxAge is how long a Record waits; what is older is dropped, together
	// with whatever follows of its session context. Default 24 h.
	MaxAge time.Duration
	// TotalRecords and TotalBytes bound all Lanes together. Defaults 1,000,000
	// and 256 MiB.
	TotalRecords int
	TotalBytes   int64
	// Overflow is what happens when a Lane is full. Default RefuseNew.
	Overflow Overflow
	// Metrics gets the metrics of Metrics; nil: none.
	Metrics prometheus.Registerer
}

// Memory is a Queue that the end of the process empties. Put is settled before
// it returns. Safe for concurrent use.
type Memory struct {
	o MemoryOptions
	m *Metrics

	mu      sync.Mutex
	lanes   map[Lane]*line
	seq     uint64
	records int
	bytes   int64
	swept   time.Time // when expired Records of all Lanes were last dropped
}

// line is one Lane: items[head:] wait, by Seq.
type line struct {
	items []Item
	head  int
	bytes int64
}

var _ Queue = (*Memory)(nil)

// NewMemory makes a Memory.
func NewMemory(o MemoryOptions) (*Memory, error) {
	if o.MaxRecords < 0 || o.MaxBytes < 0 || o.MaxAge < 0 || o.TotalRecords < 0 || o.TotalBytes < 0 {
		return nil, errors.New("buffer: a limit is negative")
	}
	if o.Overflow > DropOldest {
		return nil, errors.New("buffer: unknown overflow policy")
	}
	def(&o.MaxRecords, DefaultMaxRecords)
	def(&o.MaxBytes, DefaultMaxBytes)
	def(&o.MaxAge, DefaultMaxAge)
	def(&o.TotalRecords, DefaultTotalRecords)
	def(&o.TotalBytes, DefaultTotalBytes)
	metrics, err := NewMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	return &Memory{o: o, m: metrics, lanes: make(map[Lane]*line)}, nil
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Put implements Queue.
func (q *Memory) Put(item Item, settled func(seq uint64, err error)) {
	settled(q.put(item))
}

func (q *Memory) put(item Item) (uint64, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := int64(item.Record.Len())
	l := q.lanes[item.Lane]
	if l != nil {
		q.expire(item.Lane, l)
		l = q.lanes[item.Lane]
	}
	if !q.laneRoom(item.Lane, l, size) || !q.totalRoom(size) {
		q.m.Dropped(ReasonFull, 1)
		return 0, ErrFull
	}
	l = q.lanes[item.Lane] // making room may have ended it
	if l == nil {
		l = &line{}
		item.Lane.To.ID = usp.EndpointID(strings.Clone(string(item.Lane.To.ID)))
		item.Lane.From = usp.EndpointID(strings.Clone(string(item.Lane.From)))
		q.lanes[item.Lane] = l
	}
	q.seq++
	item.Seq = q.seq
	l.items = append(l.items, item)
	l.bytes += size
	q.count(1, size)
	return item.Seq, nil
}

// laneRoom reports whether the Lane takes size bytes more, after making room
// if the policy allows.
func (q *Memory) laneRoom(lane Lane, l *line, size int64) bool {
	if size > q.o.MaxBytes {
		return false
	}
	if l == nil {
		return true
	}
	fits := func() bool { return l.len() < q.o.MaxRecords && l.bytes+size <= q.o.MaxBytes }
	for !fits() {
		if q.o.Overflow != DropOldest {
			return false
		}
		i := l.head
		for i < len(l.items) && l.items[i].Record.Header().Type == usp.RecordSession {
			i++
		}
		if i == len(l.items) {
			return false
		}
		q.take(l, i)
		q.m.Dropped(ReasonOldest, 1)
	}
	q.tidy(lane, l)
	return true
}

// totalRoom reports whether all Lanes together take size bytes more; before it
// says no it drops what has expired, at most once a second.
func (q *Memory) totalRoom(size int64) bool {
	fits := func() bool { return q.records < q.o.TotalRecords && q.bytes+size <= q.o.TotalBytes }
	if fits() {
		return true
	}
	if now := time.Now(); now.Sub(q.swept) >= time.Second {
		q.swept = now
		for lane, l := range q.lanes {
			q.expire(lane, l)
		}
	}
	return fits()
}

// expire drops what is too old, and with the first of a session the rest of
// it: its receiver could do nothing with the remainder.
func (q *Memory) expire(lane Lane, l *line) {
	limit := time.Now().Add(-q.o.MaxAge)
	n := 0
	for l.len() > 0 && l.items[l.head].At.Before(limit) {
		h := *l.items[l.head].Record.Header()
		q.take(l, l.head)
		n++
		if h.Type == usp.RecordSession {
			n += q.dropSession(l, h.From, h.SessionID)
		}
	}
	if n > 0 {
		q.m.Dropped(ReasonExpired, n)
		q.tidy(lane, l)
	}
}

// dropSession drops every Record of one session context.
func (q *Memory) dropSession(l *line, from usp.EndpointID, session uint64) int {
	n := 0
	for i := l.head; i < len(l.items); {
		h := l.items[i].Record.Header()
		if h.Type == usp.RecordSession && h.From == from && h.SessionID == session {
			q.take(l, i)
			n++
			if i < l.head {
				i = l.head
			}
			continue
		}
		i++
	}
	return n
}

// take removes the item at i, which is at or after head.
func (q *Memory) take(l *line, i int) {
	size := int64(l.items[i].Record.Len())
	if i == l.head {
		l.items[i] = Item{}
		l.head++
	} else {
		copy(l.items[i:], l.items[i+1:])
		l.items[len(l.items)-1] = Item{}
		l.items = l.items[:len(l.items)-1]
	}
	l.bytes -= size
	q.count(-1, -size)
}

// tidy gives back the room of what is gone, and the Lane if nothing is left.
func (q *Memory) tidy(lane Lane, l *line) {
	switch {
	case l.len() == 0:
		delete(q.lanes, lane)
	case l.head > 32 && l.head*2 > len(l.items):
		l.items = append(make([]Item, 0, l.len()*2), l.items[l.head:]...)
		l.head = 0
	}
}

func (q *Memory) count(records int, bytes int64) {
	q.records += records
	q.bytes += bytes
	q.m.Add(records, bytes)
}

func (l *line) len() int { return len(l.items) - l.head }

// after is the index of the first item with a Seq greater than seq.
func (l *line) after(seq uint64) int {
	return l.head + sort.Search(l.len(), func(i int) bool { return l.items[l.head+i].Seq > seq })
}

// Read implements Queue. It never blocks on I/O.
func (q *Memory) Read(ctx context.Context, lane Lane, after uint64, records int, bytes int64) ([]Item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[lane]
	if l == nil {
		return nil, nil
	}
	q.expire(lane, l)
	first := l.after(after)
	last := first
	for ; last < len(l.items) && last-first < records; last++ {
		if bytes -= int64(l.items[last].Record.Len()); bytes < 0 && last > first {
			break
		}
	}
	return append([]Item(nil), l.items[first:last]...), nil
}

// Remove implements Queue. It never blocks on I/O.
func (q *Memory) Remove(ctx context.Context, lane Lane, upTo uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if l := q.lanes[lane]; l != nil {
		for l.len() > 0 && l.items[l.head].Seq <= upTo {
			q.take(l, l.head)
		}
		q.tidy(lane, l)
	}
	return nil
}

// Depth implements Queue.
func (q *Memory) Depth(lane Lane) Depth {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[lane]
	if l == nil || l.len() == 0 {
		return Depth{}
	}
	return Depth{Records: l.len(), Bytes: l.bytes, Oldest: l.items[l.head].At}
}

// Lanes implements Queue.
func (q *Memory) Lanes() []Lane {
	q.mu.Lock()
	defer q.mu.Unlock()
	lanes := make([]Lane, 0, len(q.lanes))
	for lane := range q.lanes {
		lanes = append(lanes, lane)
	}
	return lanes
}

// Purge implements Queue.
func (q *Memory) Purge(ctx context.Context, lane Lane) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[lane]
	if l == nil {
		return 0, nil
	}
	n := l.len()
	q.count(-n, -l.bytes)
	q.m.Dropped(ReasonPurged, n)
	delete(q.lanes, lane)
	return n, nil
}
