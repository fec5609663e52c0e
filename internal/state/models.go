// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/model"
)

// ModelOptions bound what is kept of the models of CPE. The zero value of a field means
// its default. What does not fit is kept with the tree of each CPE.
type ModelOptions struct {
	// MaxNames is how many names of objects and parameters one model has; default
	// 16,384. They have 64 bytes in the mean.
	MaxNames int
	// MaxBytes bounds the records of all models, as they are stored; default 64 MiB.
	// They are counted at the start, with what this process has written since.
	MaxBytes int64
	// MaxAge is how long a model is kept that no CPE has any more; default 400 days.
	MaxAge time.Duration
	// CacheBytes is about how many bytes of models are in memory; default 16 MiB. Those
	// used longest ago are read from the Store again.
	CacheBytes int64
}

func (o *ModelOptions) fill() {
	def(&o.MaxNames, 1<<14)
	def(&o.MaxBytes, 64<<20)
	def(&o.MaxAge, 400*24*time.Hour)
	def(&o.CacheBytes, 16<<20)
}

const (
	// meanName is for ModelOptions.MaxNames.
	meanName = 64
	// lookAgain is how long a model is used before it is seen whether the Store has
	// another one: one that was removed is not used for much longer.
	lookAgain = time.Minute
	// renewals is how often in its MaxAge a model is written only to stay.
	renewals = 4
	// tries bounds how often a model is written anew because another writer was first.
	tries = 32
)

// modelID is the key of a model in the Bucket: its words may be any, and long.
type modelID [16]byte

func modelIDOf(k agent.ModelKey) (id modelID) {
	h := sha256.New()
	for _, part := range []string{k.Manufacturer, k.OUI, k.ProductClass, k.SoftwareVersion} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	copy(id[:], h.Sum(nil))
	return id
}

func (id modelID) String() string { return hex.EncodeToString(id[:]) }

// models is what is known of the models of CPE, those used last in memory. The mutex
// of a slot is taken before mu, and held over the calls of the Store.
type models struct {
	o      ModelOptions
	log    *zap.Logger
	met    *metrics
	codec  *codec
	bucket store.Bucket
	stored atomic.Int64 // bytes

	mu    sync.Mutex
	slots map[modelID]*slot
	used  *list.List // of *slot, the one used last in front
	bytes int64      // of all slots, about
}

// slot is one model in memory.
type slot struct {
	id    modelID
	place *list.Element // with bytes, guarded by models.mu
	bytes int64

	mu       sync.Mutex
	model    *agent.Model // as it is stored; an empty one if there is none; nil: not looked for
	revision uint64       // of the record, 0 if there is none
	length   int64        // of the record
	renewed  time.Time    // when the record was written
	seen     time.Time    // when it was looked for
	newer    bool         // the record is of a newer version
	told     bool         // that trees cannot be read with it
}

func openModels(ctx context.Context, s store.Store, o Options, m *metrics, c *codec) (*models, error) {
	b, err := s.Bucket(ctx, modelBucket, store.BucketOptions{MaxValue: maxModel})
	if err != nil {
		return nil, fmt.Errorf("state: %s: %w", modelBucket, err)
	}
	ms := &models{
		o: o.Models, log: o.Log.Named("state"), met: m, codec: c, bucket: b, slots: make(map[modelID]*slot), used: list.New(),
	}
	ms.o.fill()
	if err := b.Each(ctx, "", func(e store.Entry) error {
		ms.stored.Add(int64(len(e.Value)))
		return nil
	}); err != nil {
		return nil, fmt.Errorf("state: %s: %w", modelBucket, err)
	}
	return ms, nil
}

// slot returns the slot of a model, locked.
func (ms *models) slot(id modelID) *slot {
	ms.mu.Lock()
	s := ms.slots[id]
	if s == nil {
		s = &slot{id: id}
		s.place = ms.used.PushFront(s)
		ms.slots[id] = s
	} else {
		ms.used.MoveToFront(s.place)
	}
	ms.mu.Unlock()
	s.mu.Lock()
	return s
}

// Rough bytes of a slot, and of one object or parameter of a Sample.
const (
	emptyBytes = 1 << 10
	nodeBytes  = 128
)

// weigh takes note of how large a slot is by now, and makes room: who holds a model
// that is not in memory any more goes on with it.
func (ms *models) weigh(s *slot) {
	bytes := emptyBytes + 2*int64(s.model.Outline.Bytes()) // and what is supported
	if s.model.Sample != nil {
		bytes += nodeBytes * int64(len(s.model.Sample.Nodes))
	}
	for _, kept := range s.model.Supports {
		_, n := kept.Objects.Size()
		bytes += int64(n)
	}
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if ms.slots[s.id] != s {
		return
	}
	ms.bytes += bytes - s.bytes
	s.bytes = bytes
	for ms.bytes > ms.o.CacheBytes && ms.used.Len() > 1 {
		old, _ := ms.used.Back().Value.(*slot)
		ms.used.Remove(old.place)
		delete(ms.slots, old.id)
		ms.bytes -= old.bytes
	}
}

// get returns what is known of a model, which may be nothing.
func (ms *models) get(ctx context.Context, key agent.ModelKey) (*agent.Model, error) {
	s := ms.slot(modelIDOf(key))
	defer s.mu.Unlock()
	if err := ms.look(ctx, s, false); err != nil {
		return nil, err
	}
	return s.model, nil
}

// reload is get for what is stored now.
func (ms *models) reload(ctx context.Context, key agent.ModelKey) (*agent.Model, error) {
	s := ms.slot(modelIDOf(key))
	defer s.mu.Unlock()
	if err := ms.look(ctx, s, true); err != nil {
		return nil, err
	}
	return s.model, nil
}

// look sees to it that the slot has what is stored; now means that this is looked for
// in any case.
func (ms *models) look(ctx context.Context, s *slot, now bool) error {
	if !now && s.model != nil && time.Since(s.seen) < lookAgain {
		return nil
	}
	e, err := ms.bucket.Get(ctx, s.id.String())
	if errors.Is(err, store.ErrNotFound) {
		err, e = nil, store.Entry{}
	}
	if err != nil {
		return fmt.Errorf("state: model %s: %w", s.id, err)
	}
	s.seen = time.Now()
	if s.model == nil || s.revision != e.Revision {
		ms.take(s, e)
	}
	ms.renew(ctx, s)
	return nil
}

// take puts a record into its slot.
func (ms *models) take(s *slot, e store.Entry) {
	s.revision, s.length, s.newer = e.Revision, int64(len(e.Value)), false
	r := &modelRecord{Model: &agent.Model{}}
	if e.Revision != 0 {
		var err error
		if r, err = ms.codec.decodeModel(e.Value, s.id); err != nil {
			ms.log.Error("what is known of a model cannot be read; the trees of its CPE are read anew",
				zap.Stringer("model", s.id), zap.Error(err))
			s.newer, s.told = errors.Is(err, ErrNewer), true
			r = &modelRecord{Model: &agent.Model{}}
		}
	}
	s.model, s.renewed = r.Model, time.Unix(r.Written, 0)
	ms.weigh(s)
}

// with returns the model that a tree was written against: one whose Outline begins
// with that many entries, of that sum. It is nil if there is none any more.
func (ms *models) with(ctx context.Context, id modelID, entries int, sum uint64) (*agent.Model, error) {
	s := ms.slot(id)
	defer s.mu.Unlock()
	for _, now := range []bool{false, true} {
		if err := ms.look(ctx, s, now); err != nil {
			return nil, err
		}
		if s.model.Outline.Len() >= entries && s.model.Outline.Sum(entries) == sum {
			return s.model, nil
		}
	}
	if !s.told {
		s.told = true
		ms.log.Error("trees were written with what is not known of their model any more; they are read anew",
			zap.Stringer("model", id))
	}
	return nil, nil //nolint:nilnil // there is none
}

// renew writes a model that is about to be too old, but nothing in the place of a record
// that could not be read.
func (ms *models) renew(ctx context.Context, s *slot) {
	if modelIDOf(s.model.Key) != s.id || time.Since(s.renewed) < ms.o.MaxAge/renewals {
		return
	}
	if err := ms.put(ctx, s, s.model); err != nil { // there is time
		ms.log.Debug("a model is not renewed", zap.Stringer("model", s.id), zap.Error(err))
	}
}

// change has f make a model from what is stored, nil for no change, and stores it.
// What it returns is stored.
func (ms *models) change(
	ctx context.Context, key agent.ModelKey, f func(*agent.Model) *agent.Model,
) (*agent.Model, error) {
	s := ms.slot(modelIDOf(key))
	defer s.mu.Unlock()
	for try := range tries {
		if err := ms.look(ctx, s, try > 0); err != nil {
			return nil, err
		}
		next := f(s.model)
		if next == nil || s.newer {
			return s.model, nil
		}
		next.Key = key
		err := ms.put(ctx, s, next)
		if !errors.Is(err, store.ErrConflict) {
			return s.model, err
		}
	}
	return s.model, fmt.Errorf("state: model %s: %w", s.id, store.ErrConflict)
}

// renewed is how many bytes a record may have more when it is written only to stay.
const renewed = 32

// errTooLarge: a model, or all of them, are as large as they may be.
var errTooLarge = errors.New("no room for what is known of a model")

// put stores a model in its slot, if the record is still the one that is known.
func (ms *models) put(ctx context.Context, s *slot, m *agent.Model) error {
	now := time.Now()
	value, err := ms.codec.encodeModel(&modelRecord{Model: m, Written: now.Unix()})
	if err != nil {
		return fmt.Errorf("state: model %s: %w", s.id, err)
	}
	more := int64(len(value)) - s.length
	if len(value) > maxModel || more > renewed && ms.stored.Load()+more > ms.o.MaxBytes {
		return fmt.Errorf("state: model %s: %w", s.id, errTooLarge)
	}
	var revision uint64
	if s.revision == 0 {
		revision, err = ms.bucket.Create(ctx, s.id.String(), value, ms.o.MaxAge)
	} else {
		revision, err = ms.bucket.Update(ctx, s.id.String(), value, s.revision, ms.o.MaxAge)
	}
	if err != nil {
		return fmt.Errorf("state: model %s: %w", s.id, err)
	}
	ms.stored.Add(more)
	s.model, s.revision, s.length, s.renewed, s.seen = m, revision, int64(len(value)), now, now
	s.told = false
	ms.weigh(s)
	return nil
}

// learn takes from a tree what is new of its model, and returns what is stored of that.
func (ms *models) learn(ctx context.Context, key agent.ModelKey, t *agent.Tree, refused agent.Habits,
) (*agent.Model, error) {
	bounds := model.OutlineBounds{Entries: ms.o.MaxNames, Bytes: ms.o.MaxNames * meanName}
	full := false
	from := func(m *agent.Model) *agent.Model {
		next := &agent.Model{Sample: m.Sample, Habits: m.Habits.Merge(refused)}
		var fullToo bool
		next.Outline, full = m.Outline.Grow(t.Shown, bounds)
		next.Supports, fullToo = ms.supportsBounds().Grow(m.Supports, t.Supports)
		full = full || fullToo
		grown := next.Outline != m.Outline
		supports := supportsMore(m.Supports, next.Supports)
		sampled := len(t.Shown.Nodes) <= 2*ms.o.MaxNames && (m.Sample == nil || grown && kinds(t.Shown) > kinds(m.Sample))
		if sampled {
			next.Sample = t.Shown.Sample()
		}
		if !sampled && !grown && !supports && next.Habits.Equal(m.Habits) {
			return nil
		}
		return next
	}
	m, err := ms.change(ctx, key, from)
	if full {
		ms.met.full.WithLabelValues("names").Inc()
	}
	if errors.Is(err, errTooLarge) || errors.Is(err, store.ErrFull) {
		ms.met.full.WithLabelValues("bytes").Inc()
	}
	return m, err
}

// supportsBounds are those of MaxNames: what CPE show of their model is about as much as
// they have.
func (ms *models) supportsBounds() agent.SupportsBounds {
	const each = 256 // bytes
	return agent.SupportsBounds{Elements: 2 * ms.o.MaxNames, Bytes: 2 * ms.o.MaxNames * each}
}

// supportsMore reports that Grow has made something new.
func supportsMore(old, now []*agent.Supports) bool {
	return len(now) > 0 && (len(old) == 0 || old[0] != now[0])
}

// kinds is how many different objects and parameters a CPE has.
func kinds(s *model.Snapshot) int {
	o, _ := (*model.Outline)(nil).Grow(s, model.OutlineBounds{Entries: maxKinds, Bytes: maxModel})
	return o.Len()
}

const maxKinds = 1 << 18
