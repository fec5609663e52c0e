// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"bytes"
	"container/list"
	"slices"
	"sync"
	"time"
)

// MemoryOptions bounds a MemoryJournal. The zero value of a field means its
// default.
type MemoryOptions struct {
	// MaxPerDevice is the greatest number of entries of one To; default 64. The
	// oldest answered one makes room.
	MaxPerDevice int
	// MaxAge is how long an answered entry is kept; default 1 h.
	MaxAge time.Duration
	// MaxBytes is the greatest sum of all replies; default 64 MiB. The oldest
	// answered entries make room.
	MaxBytes int
}

// shelf is the entries of one To.
type shelf struct {
	n        int            // all
	answered []*memoryEntry // oldest first
}

// MemoryJournal is a Journal that forgets all when the process ends.
type MemoryJournal struct {
	opts MemoryOptions

	mu       sync.Mutex
	entries  map[Key]*memoryEntry
	shelves  map[string]*shelf
	answered *list.List // of *memoryEntry, oldest first
	bytes    int
}

type memoryEntry struct {
	Entry

	key  Key
	done time.Time // when it was answered
	elem *list.Element
}

var _ Journal = (*MemoryJournal)(nil)

// NewMemoryJournal returns an empty MemoryJournal.
func NewMemoryJournal(o MemoryOptions) *MemoryJournal {
	orDefault(&o.MaxPerDevice, 64)
	orDefault(&o.MaxAge, time.Hour)
	orDefault(&o.MaxBytes, 64<<20)
	return &MemoryJournal{
		opts:     o,
		entries:  make(map[Key]*memoryEntry),
		shelves:  make(map[string]*shelf),
		answered: list.New(),
	}
}

// Begin implements Journal.
func (j *MemoryJournal) Begin(k Key) (Entry, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	j.expire(now)
	if e := j.entries[k]; e != nil {
		return e.Entry, nil
	}
	sh := j.shelves[k.To]
	if sh != nil && sh.n >= j.opts.MaxPerDevice {
		if len(sh.answered) == 0 {
			return Entry{}, ErrBusy
		}
		j.drop(sh.answered[0])
		sh = j.shelves[k.To]
	}
	if sh == nil {
		sh = &shelf{}
		j.shelves[k.To] = sh
	}
	sh.n++
	j.entries[k] = &memoryEntry{key: k, Entry: Entry{State: StateQueued, At: now}}
	return Entry{State: StateNew, At: now}, nil
}

// OnWire implements Journal.
func (j *MemoryJournal) OnWire(k Key) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.entries[k]
	if e == nil || e.State == StateAnswered {
		return ErrUnknownEntry
	}
	e.State = StateOnWire
	return nil
}

// Answer implements Journal.
func (j *MemoryJournal) Answer(k Key, reply []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.entries[k]
	if e == nil || e.State == StateAnswered {
		return ErrUnknownEntry
	}
	e.State, e.Reply, e.done = StateAnswered, bytes.Clone(reply), time.Now()
	e.elem = j.answered.PushBack(e)
	sh := j.shelves[k.To]
	sh.answered = append(sh.answered, e)
	j.bytes += len(reply)
	for j.bytes > j.opts.MaxBytes && j.answered.Len() > 1 {
		j.drop(oldest(j.answered))
	}
	return nil
}

// Forget implements Journal.
func (j *MemoryJournal) Forget(k Key) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.entries[k]
	if e == nil || e.State == StateAnswered {
		return ErrUnknownEntry
	}
	j.drop(e)
	return nil
}

// Unanswered implements Journal.
func (j *MemoryJournal) Unanswered(f func(Key, Entry) bool) error {
	j.mu.Lock()
	var open []memoryEntry
	for _, e := range j.entries {
		if e.State != StateAnswered {
			open = append(open, *e)
		}
	}
	j.mu.Unlock()
	for i := range open {
		if !f(open[i].key, open[i].Entry) {
			break
		}
	}
	return nil
}

func oldest(l *list.List) *memoryEntry {
	e, _ := l.Front().Value.(*memoryEntry)
	return e
}

// expire drops what has been answered for too long.
func (j *MemoryJournal) expire(now time.Time) {
	for j.answered.Len() > 0 {
		e := oldest(j.answered)
		if now.Sub(e.done) < j.opts.MaxAge {
			return
		}
		j.drop(e)
	}
}

func (j *MemoryJournal) drop(e *memoryEntry) {
	delete(j.entries, e.key)
	sh := j.shelves[e.key.To]
	if e.elem != nil {
		j.answered.Remove(e.elem)
		j.bytes -= len(e.Reply)
		if i := slices.Index(sh.answered, e); i >= 0 {
			sh.answered = slices.Delete(sh.answered, i, i+1)
		}
	}
	if sh.n--; sh.n == 0 {
		delete(j.shelves, e.key.To)
	}
}
