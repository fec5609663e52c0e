// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp"
)

// The Buckets.
const (
	deviceBucket  = "DEV"
	treeBucket    = "TREE"
	modelBucket   = "MODEL"
	journalBucket = "JOURNAL"
)

// Options configure a State. The zero value is usable.
type Options struct {
	// Timeout bounds each call of the Store. Default 10 s.
	Timeout time.Duration
	// Journal bounds the journal, Models what is kept of the models of CPE, Inventory
	// what is listed of CPE.
	Journal   JournalOptions
	Models    ModelOptions
	Inventory InventoryOptions
	// Metrics registers the metrics; nil: none.
	Metrics prometheus.Registerer
	// Log gets one line per record that is refused; nil: none.
	Log *zap.Logger
}

// State is what is kept of all devices. Safe for concurrent use. Agents, Devices
// and Journal are its faces to package translate.
type State struct {
	o       Options
	log     *zap.Logger
	devices store.Bucket
	trees   store.Bucket
	models  *models
	journal *Journal
	listed  *Inventory
	count   atomic.Int64
	codec   codec

	mu sync.Mutex
	// named are the devices whose Endpoint ID is not one of agent.EndpointIDs: as
	// an older version had them, or of another rule.
	named map[cwmp.DeviceID]usp.EndpointID
}

// Open opens the Buckets and reads the journal.
func Open(ctx context.Context, s store.Store, o Options) (*State, error) {
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	st := &State{o: o, log: o.Log.Named("state"), named: make(map[cwmp.DeviceID]usp.EndpointID)}
	var err error
	if st.devices, err = s.Bucket(ctx, deviceBucket, store.BucketOptions{MaxValue: maxRecord}); err != nil {
		return nil, fmt.Errorf("state: %s: %w", deviceBucket, err)
	}
	if st.trees, err = s.Bucket(ctx, treeBucket, store.BucketOptions{MaxValue: maxRecord, Cache: true}); err != nil {
		return nil, fmt.Errorf("state: %s: %w", treeBucket, err)
	}
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	if st.models, err = openModels(ctx, s, o, m, &st.codec); err != nil {
		return nil, err
	}
	if st.listed, err = openInventory(ctx, s, o); err != nil {
		return nil, err
	}
	b, err := s.Bucket(ctx, journalBucket, store.BucketOptions{MaxValue: maxReply})
	if err != nil {
		return nil, fmt.Errorf("state: %s: %w", journalBucket, err)
	}
	if st.journal, err = openJournal(ctx, b, o); err != nil {
		return nil, err
	}
	return st, nil
}

// Journal returns the journal of the requests that write.
func (s *State) Journal() *Journal { return s.journal }

// Inventory returns what is listed of CPE.
func (s *State) Inventory() *Inventory { return s.listed }

// Agents returns the Keeper of the Virtual Agents.
func (s *State) Agents() agent.Keeper { return agents{s} }

// Devices returns the Keeper of the Devices.
func (s *State) Devices() device.Keeper { return devices{s} }

// maxRecord bounds a record in bytes, maxReply a reply in the journal.
const (
	maxRecord = 6 << 20
	maxReply  = 6 << 20
)

func (s *State) deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), s.o.Timeout)
}

// get reads the record of an Agent; ErrNotFound where there is none.
func (s *State) get(ctx context.Context, id usp.EndpointID) (*record, store.Entry, error) {
	e, err := s.devices.Get(ctx, string(id))
	if err != nil {
		return nil, e, fmt.Errorf("state: %s: %w", id, err)
	}
	r, err := s.codec.decode(e.Value)
	if err != nil {
		return nil, e, fmt.Errorf("state: %s: %w", id, err)
	}
	return r, e, nil
}

// change reads a record, changes it and writes it if that made a difference.
func (s *State) change(id usp.EndpointID, f func(*record) error) error {
	ctx, cancel := s.deadline()
	defer cancel()
	for {
		r, e, err := s.get(ctx, id)
		if err != nil {
			return err
		}
		if err := f(r); err != nil {
			return err
		}
		value, err := s.codec.encode(r)
		if err != nil {
			return fmt.Errorf("state: %s: %w", id, err)
		}
		if bytes.Equal(value, e.Value) {
			return nil
		}
		_, err = s.devices.Update(ctx, string(id), value, e.Revision, 0)
		if !errors.Is(err, store.ErrConflict) {
			return wrap(id, err)
		}
	}
}

func wrap(id usp.EndpointID, err error) error {
	if err != nil {
		return fmt.Errorf("state: %s: %w", id, err)
	}
	return nil
}

// candidates are the Endpoint IDs under one of which a CPE is, if it is known.
func (s *State) candidates(key cwmp.DeviceID) []usp.EndpointID {
	s.mu.Lock()
	named, ok := s.named[key]
	s.mu.Unlock()
	if ok {
		return []usp.EndpointID{named}
	}
	ids := agent.EndpointIDs(key)
	return ids[:]
}

// find returns the record of a CPE; ok is false if there is none.
func (s *State) find(ctx context.Context, identity cwmp.DeviceID) (r *record, ok bool, err error) {
	key := identity.Key()
	for _, id := range s.candidates(key) {
		r, _, err := s.get(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		if r.Head.identity().Key() == key {
			return r, true, nil
		}
	}
	return nil, false, nil
}
