// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/uspgate/uspgate/internal/store"
)

// kvStore is the Store of this engine: a JetStream key-value bucket for each
// Bucket, read from the leader of its stream. It implements store.Store.
type kvStore struct{ e *Engine }

// Store returns the Store of this engine. It needs no end.
func (e *Engine) Store() store.Store { return &kvStore{e} }

const (
	// kvMarkers is how long it can be seen that a key has gone.
	kvMarkers = time.Hour
	// kvTimeout bounds one access whose caller has no deadline.
	kvTimeout = 10 * time.Second
)

// Bucket implements store.Store.
func (s *kvStore) Bucket(ctx context.Context, name string, o store.BucketOptions) (store.Bucket, error) {
	def(&o.MaxValue, store.DefaultMaxValue)
	ctx, cancel := within(ctx)
	defer cancel()
	limit := o.MaxBytes
	if limit == 0 {
		limit = -1
	}
	err := s.make(ctx, &jetstream.StreamConfig{
		Name: "KV_" + name, Subjects: []string{"$KV." + name + ".>"}, Replicas: s.e.o.Replicas,
		Storage: jetstream.FileStorage, MaxBytes: limit, MaxMsgSize: int32(o.MaxValue + kvHead),
		MaxMsgs: -1, MaxConsumers: -1, MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, Duplicates: 2 * time.Minute,
		AllowRollup: true, DenyDelete: true, AllowMsgTTL: true, SubjectDeleteMarkerTTL: kvMarkers,
		AllowDirect: s.e.server != nil, // of several servers one that lags would answer
	})
	if err != nil {
		return nil, fmt.Errorf("engine: bucket %s: %w", name, kvError(err))
	}
	kv, err := s.e.js.KeyValue(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("engine: bucket %s: %w", name, kvError(err))
	}
	return &kvBucket{e: s.e, kv: kv, name: name, o: o}, nil
}

// make makes the stream of a Bucket; a cluster that has just begun needs a moment
// until it knows where to.
func (s *kvStore) make(ctx context.Context, c *jetstream.StreamConfig) error {
	tick := time.NewTicker(kvAgain)
	defer tick.Stop()
	for {
		_, err := s.e.js.CreateOrUpdateStream(ctx, *c)
		refused, ok := errors.AsType[*jetstream.APIError](err)
		if !ok || refused.ErrorCode != errNoPeers {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

const (
	// errNoPeers: no server was found that could keep the stream.
	errNoPeers jetstream.ErrorCode = 10005
	kvAgain                        = 100 * time.Millisecond
)

// kvHead is room for the headers of a message.
const kvHead = 1 << 10

type kvBucket struct {
	e    *Engine
	kv   jetstream.KeyValue
	name string
	o    store.BucketOptions
}

// kvKey is a key as a subject has it.
func kvKey(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }

func kvKeyOf(encoded string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(encoded)
	return string(b), err
}

func within(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, kvTimeout)
}

// kvError has the classes of package store.
func kvError(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, jetstream.ErrKeyDeleted):
		return store.ErrNotFound
	case errors.Is(err, jetstream.ErrKeyExists), errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		return store.ErrConflict
	case errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant):
		return store.ErrConflict
	case errors.As(err, &api) && strings.Contains(api.Description, "maximum bytes exceeded"):
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	default:
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
}

// room says why nothing can be written now; nil: it can.
func (b *kvBucket) room() error {
	if err := b.e.Ready(); err != nil {
		if b.e.server != nil && b.e.dead() == nil {
			return fmt.Errorf("%w: %w", store.ErrFull, err)
		}
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return nil
}

// writable says why the key can not be written, or why nothing can.
func (b *kvBucket) writable(key string, value []byte, ttl time.Duration) error {
	if err := store.Check(key, value, b.o.MaxValue, ttl); err != nil {
		return err
	}
	return b.room()
}

// durable waits until what was acknowledged is kept.
func (b *kvBucket) durable(ctx context.Context, err error) error {
	if err != nil {
		return kvError(err)
	}
	if b.o.Cache {
		return nil
	}
	done := make(chan error, 1)
	b.e.durable("KV_"+b.name, func(err error) { done <- err })
	select {
	case err := <-done:
		return kvError(err)
	case <-ctx.Done():
		return kvError(context.Cause(ctx))
	}
}

// Get implements store.Bucket.
func (b *kvBucket) Get(ctx context.Context, key string) (store.Entry, error) {
	if err := store.Check(key, nil, 0, 0); err != nil {
		return store.Entry{}, err
	}
	ctx, cancel := within(ctx)
	defer cancel()
	e, err := b.kv.Get(ctx, kvKey(key))
	if err != nil {
		return store.Entry{}, kvError(err)
	}
	return store.Entry{Key: key, Value: e.Value(), Revision: e.Revision()}, nil
}

// Put implements store.Bucket.
func (b *kvBucket) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	if err := b.writable(key, value, 0); err != nil {
		return 0, err
	}
	ctx, cancel := within(ctx)
	defer cancel()
	revision, err := b.kv.Put(ctx, kvKey(key), value)
	return revision, b.durable(ctx, err)
}

// Create implements store.Bucket.
func (b *kvBucket) Create(ctx context.Context, key string, value []byte, ttl time.Duration) (uint64, error) {
	if err := b.writable(key, value, ttl); err != nil {
		return 0, err
	}
	ctx, cancel := within(ctx)
	defer cancel()
	var options []jetstream.KVCreateOpt
	if ttl > 0 {
		options = append(options, jetstream.KeyTTL(ttl))
	}
	revision, err := b.kv.Create(ctx, kvKey(key), value, options...)
	return revision, b.durable(ctx, err)
}

// Update implements store.Bucket.
func (b *kvBucket) Update(
	ctx context.Context, key string, value []byte, revision uint64, ttl time.Duration,
) (uint64, error) {
	if err := b.writable(key, value, ttl); err != nil {
		return 0, err
	}
	if revision == 0 {
		return 0, store.ErrConflict
	}
	ctx, cancel := within(ctx)
	defer cancel()
	options := []jetstream.PublishOpt{jetstream.WithExpectLastSequencePerSubject(revision)}
	if ttl > 0 {
		options = append(options, jetstream.WithMsgTTL(ttl))
	}
	ack, err := b.e.js.PublishMsg(ctx, &nats.Msg{Subject: "$KV." + b.name + "." + kvKey(key), Data: value}, options...)
	if err != nil {
		return 0, kvError(err)
	}
	return ack.Sequence, b.durable(ctx, nil)
}

// Delete implements store.Bucket.
func (b *kvBucket) Delete(ctx context.Context, key string, revision uint64) error {
	if err := store.Check(key, nil, 0, 0); err != nil {
		return err
	}
	ctx, cancel := within(ctx)
	defer cancel()
	options := []jetstream.KVDeleteOpt{jetstream.PurgeTTL(kvMarkers)}
	if revision != 0 {
		options = append(options, jetstream.LastRevision(revision))
	}
	return b.durable(ctx, b.kv.Purge(ctx, kvKey(key), options...))
}

// Each implements store.Bucket.
func (b *kvBucket) Each(ctx context.Context, prefix string, f func(store.Entry) error) error {
	if b.e.server == nil {
		return b.eachWatched(ctx, prefix, f)
	}
	var failed error
	err := b.e.eachMessage(ctx, "KV_"+b.name, 1, 0, func(seq uint64, m *nats.Msg) error {
		e, ok := b.entry(m)
		if !ok || !strings.HasPrefix(e.Key, prefix) {
			return nil
		}
		e.Revision = seq
		failed = f(e)
		return failed
	})
	if failed != nil || err == nil {
		return failed
	}
	return kvError(err)
}

// entry is what a message of the stream says, unless it is that a key has gone.
func (b *kvBucket) entry(m *nats.Msg) (store.Entry, bool) {
	if m.Header.Get("KV-Operation") != "" || m.Header.Get("Nats-Marker-Reason") != "" {
		return store.Entry{}, false
	}
	encoded, ok := strings.CutPrefix(m.Header.Get("Nats-Subject"), "$KV."+b.name+".")
	if !ok {
		return store.Entry{}, false
	}
	key, err := kvKeyOf(encoded)
	return store.Entry{Key: key, Value: m.Data}, err == nil
}

// eachWatched is Each where one has to ask the leader of the stream.
func (b *kvBucket) eachWatched(ctx context.Context, prefix string, f func(store.Entry) error) error {
	var failed error
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	over := false
	err := b.Watch(ctx, prefix, func(e store.Entry) {
		if failed == nil && !over && !e.Deleted {
			if failed = f(e); failed != nil {
				stop()
			}
		}
	}, func() {
		over = true
		stop()
	})
	switch {
	case failed != nil:
		return failed
	case over:
		return nil
	case err == nil:
		err = context.Cause(ctx)
	}
	return err
}

// Watch implements store.Bucket.
func (b *kvBucket) Watch(ctx context.Context, prefix string, f func(store.Entry), ready func()) error {
	w, err := b.kv.WatchAll(ctx)
	if err != nil {
		return kvError(err)
	}
	defer func() { _ = w.Stop() }() // it ends with the connection, too
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.Updates():
			switch {
			case ctx.Err() != nil:
				return nil
			case !ok:
				return fmt.Errorf("%w: the watch has ended", store.ErrUnavailable)
			case e == nil:
				ready()
				continue
			}
			key, err := kvKeyOf(e.Key())
			if err != nil || !strings.HasPrefix(key, prefix) {
				continue
			}
			f(store.Entry{
				Key: key, Value: e.Value(), Revision: e.Revision(), Deleted: e.Operation() != jetstream.KeyValuePut,
			})
		}
	}
}
