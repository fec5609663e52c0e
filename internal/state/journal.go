// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/translate/device"
)

// JournalOptions bound a Journal. The zero value of a field means its default.
type JournalOptions struct {
	// MaxPerDevice is the greatest number of entries of one Virtual Agent; default
	// 64. The oldest answered one makes room; if there is none, Begin is refused.
	MaxPerDevice int
	// MaxEntries is the greatest number of entries of all; default 1,000,000. Room
	// is made in the same way.
	MaxEntries int
	// MaxAge is how long an answered entry is kept; default 1 h.
	MaxAge time.Duration
	// Shared: several nodes have it, and nothing is there before Adopt.
	Shared bool
}

// Journal is a device.Journal in a Bucket. Which entries there are it knows by
// heart, so that it can keep its bounds; their replies are in the Bucket alone.
type Journal struct {
	o       JournalOptions
	timeout time.Duration
	bucket  store.Bucket

	mu       sync.Mutex
	entries  map[string]*line // by name
	perTo    map[string]int
	answered *list.List // of *line, the one answered first in front
}

// line is one entry. Who writes it holds its mu, so that writes of one entry do not
// overtake each other.
type line struct {
	mu       sync.Mutex
	key      device.Key
	name     string
	state    device.State
	at, done time.Time
	revision uint64
	place    *list.Element
	gone     bool // it was not written, or has been forgotten
}

var _ device.Journal = (*Journal)(nil)

// journalVersion is that of the entries.
const journalVersion = 1

// stored is an entry as it is written.
type stored struct {
	V     int          `json:"v"`
	Key   device.Key   `json:"key"`
	State device.State `json:"state"`
	At    int64        `json:"at"`             // nanoseconds of Unix time
	Done  int64        `json:"done,omitempty"` // likewise, when it was answered
	Reply []byte       `json:"reply,omitempty"`
}

func openJournal(ctx context.Context, b store.Bucket, o Options) (*Journal, error) {
	j := &Journal{
		o: o.Journal, timeout: o.Timeout, bucket: b,
		entries: make(map[string]*line), perTo: make(map[string]int), answered: list.New(),
	}
	def(&j.o.MaxPerDevice, 64)
	def(&j.o.MaxEntries, 1_000_000)
	def(&j.o.MaxAge, time.Hour)
	if j.o.Shared {
		return j, nil
	}
	var done []*line
	err := b.Each(ctx, "", func(e store.Entry) error {
		var s stored
		if err := json.Unmarshal(e.Value, &s); err != nil {
			o.Log.Error("an entry of the journal is left out: it cannot be read", zap.String("entry", e.Key), zap.Error(err))
			return nil
		}
		if s.V > journalVersion {
			return fmt.Errorf("entry %s: %w", e.Key, ErrNewer)
		}
		l := &line{
			key: s.Key, name: e.Key, state: s.State, at: time.Unix(0, s.At), done: time.Unix(0, s.Done), revision: e.Revision,
		}
		j.entries[l.name] = l
		j.perTo[l.key.To]++
		if l.state == device.StateAnswered {
			done = append(done, l)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("state: journal: %w", err)
	}
	slices.SortFunc(done, func(a, b *line) int { return a.done.Compare(b.done) })
	for _, l := range done {
		l.place = j.answered.PushBack(l)
	}
	return j, nil
}

func def[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// nameOf is the key of an entry in the Bucket: keys there are short, msg_ids need
// not be.
func nameOf(k device.Key) string {
	h := sha256.New()
	for _, part := range []string{k.To, k.From, k.MsgID} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (j *Journal) deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), j.timeout)
}

// Begin implements device.Journal.
func (j *Journal) Begin(k device.Key) (device.Entry, error) {
	for {
		l, made, out, err := j.take(k)
		if err != nil {
			return device.Entry{}, err
		}
		j.remove(out)
		if made {
			return j.write(l)
		}
		e, ok, err := j.read(l)
		if ok || err != nil {
			return e, err
		}
	}
}

// take finds or makes a line; one that was made is locked. out are those that made
// room, or are too old.
func (j *Journal) take(k device.Key) (l *line, made bool, out []*line, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	for p := j.answered.Front(); p != nil; p = j.answered.Front() {
		old := lineAt(p)
		if now.Sub(old.done) < j.o.MaxAge {
			break
		}
		j.drop(old)
		out = append(out, old)
	}
	name := nameOf(k)
	if l := j.entries[name]; l != nil {
		return l, false, out, nil
	}
	if j.perTo[k.To] >= j.o.MaxPerDevice || len(j.entries) >= j.o.MaxEntries {
		old := j.oldest(k.To, j.perTo[k.To] >= j.o.MaxPerDevice)
		if old == nil {
			return nil, false, out, device.ErrBusy
		}
		j.drop(old)
		out = append(out, old)
	}
	l = &line{key: k, name: name, state: device.StateQueued, at: now}
	l.mu.Lock()
	j.entries[name] = l
	j.perTo[k.To]++
	return l, true, out, nil
}

func lineAt(p *list.Element) *line {
	l, _ := p.Value.(*line)
	return l
}

// oldest returns the entry that was answered first, of one Agent or of all; nil if
// there is none.
func (j *Journal) oldest(to string, own bool) *line {
	for p := j.answered.Front(); p != nil; p = p.Next() {
		if l := lineAt(p); !own || l.key.To == to {
			return l
		}
	}
	return nil
}

// drop takes a line out; j.mu is held.
func (j *Journal) drop(l *line) {
	if j.entries[l.name] != l {
		return
	}
	delete(j.entries, l.name)
	if l.place != nil {
		j.answered.Remove(l.place)
		l.place = nil
	}
	if j.perTo[l.key.To]--; j.perTo[l.key.To] == 0 {
		delete(j.perTo, l.key.To)
	}
}

// remove deletes lines that were dropped. One that stays in the Bucket goes with its
// time to live.
func (j *Journal) remove(out []*line) {
	if len(out) == 0 {
		return
	}
	ctx, cancel := j.deadline()
	defer cancel()
	for _, l := range out {
		_ = j.bucket.Delete(ctx, l.name, l.revision) // see above
	}
}

// write creates the entry of a line that is locked, and unlocks it.
func (j *Journal) write(l *line) (device.Entry, error) {
	defer l.mu.Unlock()
	ctx, cancel := j.deadline()
	defer cancel()
	value, err := l.encode(nil)
	if err == nil {
		l.revision, err = j.bucket.Put(ctx, l.name, value)
	}
	if err != nil {
		l.gone = true
		j.mu.Lock()
		defer j.mu.Unlock()
		j.drop(l)
		return device.Entry{}, fmt.Errorf("state: journal: %w", err)
	}
	return device.Entry{State: device.StateNew, At: l.at}, nil
}

// read returns the entry of a line, with the reply; ok is false if it has gone.
func (j *Journal) read(l *line) (e device.Entry, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return e, false, nil
	}
	e = device.Entry{State: l.state, At: l.at}
	if l.state != device.StateAnswered {
		return e, true, nil
	}
	ctx, cancel := j.deadline()
	defer cancel()
	have, err := j.bucket.Get(ctx, l.name)
	if errors.Is(err, store.ErrNotFound) { // its time has run out
		l.gone = true
		j.mu.Lock()
		defer j.mu.Unlock()
		j.drop(l)
		return e, false, nil
	}
	var s stored
	if err == nil {
		err = json.Unmarshal(have.Value, &s)
	}
	if err != nil {
		return e, false, fmt.Errorf("state: journal: %w", err)
	}
	e.Reply = s.Reply
	return e, true, nil
}

func (l *line) encode(reply []byte) ([]byte, error) {
	s := stored{V: journalVersion, Key: l.key, State: l.state, At: l.at.UnixNano(), Reply: reply}
	if !l.done.IsZero() {
		s.Done = l.done.UnixNano()
	}
	b, err := json.Marshal(&s)
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	return b, nil
}

// Unanswered implements device.Journal.
func (j *Journal) Unanswered(f func(device.Key, device.Entry) bool) error {
	j.mu.Lock()
	lines := make([]*line, 0, len(j.entries))
	for _, l := range j.entries {
		lines = append(lines, l)
	}
	j.mu.Unlock()
	for _, l := range lines {
		l.mu.Lock()
		e, skip := device.Entry{State: l.state, At: l.at}, l.gone || l.state == device.StateAnswered
		l.mu.Unlock()
		if !skip && !f(l.key, e) {
			return nil
		}
	}
	return nil
}
