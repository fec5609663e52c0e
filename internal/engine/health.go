// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// healthEvery is how often the file system is looked at.
const healthEvery = 200 * time.Millisecond

var (
	errNotConnected = errors.New("engine: not connected with the cluster")
	errDead         = errors.New("engine: the store has failed")
)

// health is whether the engine takes anything. JetStream must never find the disk
// full: it does not answer a write that has failed, fails all that come after it,
// and where there is no space it switches itself off. So nothing is given to it
// below Options.MinFree; and where a write has failed all the same, it is started
// anew, in the process, as soon as the directory can be written again.
type health struct {
	reason   atomic.Pointer[error] // nil: well
	failed   atomic.Bool           // JetStream has not answered
	begun    atomic.Int64          // when it was started anew, in Unix ns; 0: it was not
	free     prometheus.Gauge
	stored   prometheus.Gauge
	restarts prometheus.Counter
	damaged  prometheus.Counter
	fsync    prometheus.Histogram
}

// register makes the metrics.
//
//	uspgate_engine_free_bytes      free space of the file system of the store
//	uspgate_engine_stored_bytes    what the store holds, of Options.MaxStore
//	uspgate_engine_restarts_total  how often the store had failed and was started anew
//	uspgate_engine_damage_total    damaged places of the store that were found at start
//	uspgate_engine_fsync_seconds   how long an fsync of a file or directory took
func (h *health) register(reg prometheus.Registerer) error {
	h.free = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "uspgate_engine_free_bytes", Help: "Free space of the file system that holds the store.",
	})
	h.stored = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "uspgate_engine_stored_bytes", Help: "What the store holds.",
	})
	h.restarts = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "uspgate_engine_restarts_total", Help: "How often the store had failed and was started anew.",
	})
	h.damaged = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "uspgate_engine_damage_total", Help: "Damaged places of the store that were found at start.",
	})
	h.fsync = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "uspgate_engine_fsync_seconds", Help: "How long an fsync of a file or directory took.",
		Buckets: prometheus.ExponentialBuckets(50e-6, 4, 8),
	})
	if reg == nil {
		return nil
	}
	for _, m := range []struct {
		collector prometheus.Collector
		existing  func(prometheus.Collector)
	}{
		{h.free, func(c prometheus.Collector) { h.free, _ = c.(prometheus.Gauge) }},
		{h.fsync, func(c prometheus.Collector) { h.fsync, _ = c.(prometheus.Histogram) }},
		{h.stored, func(c prometheus.Collector) { h.stored, _ = c.(prometheus.Gauge) }},
		{h.damaged, func(c prometheus.Collector) { h.damaged, _ = c.(prometheus.Counter) }},
		{h.restarts, func(c prometheus.Collector) { h.restarts, _ = c.(prometheus.Counter) }},
	} {
		err := reg.Register(m.collector)
		if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
			m.existing(already.ExistingCollector)
			continue
		}
		if err != nil {
			return fmt.Errorf("engine: register metrics: %w", err)
		}
	}
	return nil
}

// Ready says why nothing can be kept now; nil: it can. It answers from memory and
// is safe for concurrent use.
func (e *Engine) Ready() error {
	if e.server == nil {
		if !e.conn.IsConnected() {
			return errNotConnected
		}
		return nil
	}
	if err := e.health.reason.Load(); err != nil {
		return *err
	}
	return nil
}

// unanswered tells that JetStream has not answered a write. Until it has been
// started anew the engine is not ready.
func (e *Engine) unanswered(cause error) {
	if e.server != nil && e.health.failed.CompareAndSwap(false, true) {
		e.unwell(fmt.Errorf("engine: the store does not answer: %w", cause))
	}
}

// dead reports that JetStream has failed and was not started anew yet: nothing
// that is written to it will be answered.
func (e *Engine) dead() error {
	if e.server != nil && (e.health.failed.Load() || !e.server.JetStreamEnabled()) {
		return errDead
	}
	return nil
}

// renewed reports that JetStream was started anew after at: what it was given before
// is in it or not, but not answered any more.
func (e *Engine) renewed(at time.Time) bool { return e.health.begun.Load() > at.UnixNano() }

func (e *Engine) unwell(reason error) {
	if was := e.health.reason.Swap(&reason); was == nil {
		e.log.Error("nothing can be kept", zap.Error(reason))
	}
}

// tendHealth looks after the embedded engine until ctx ends.
func (e *Engine) tendHealth(ctx context.Context) {
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for {
		e.checkHealth()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (e *Engine) checkHealth() {
	free, err := freeSpace(e.o.Dir)
	if err != nil {
		e.unwell(fmt.Errorf("engine: %w", err))
		return
	}
	e.health.free.Set(float64(free))
	enough := e.o.MinFree
	was := e.health.reason.Load()
	if was != nil {
		enough += enough / 8 // not back and forth
	}
	if free < enough {
		e.unwell(fmt.Errorf("engine: %d bytes are free in %s, and nothing is taken below %d", free, e.o.Dir, e.o.MinFree))
		return
	}
	if e.health.failed.Load() || !e.server.JetStreamEnabled() {
		if err := e.restart(); err != nil {
			e.unwell(fmt.Errorf("engine: %w", err))
			return
		}
		e.health.failed.Store(false)
	}
	if err := e.stored(was != nil); err != nil {
		e.unwell(err)
		return
	}
	if was != nil {
		e.health.reason.Store(nil)
		e.log.Info("everything can be kept again", zap.Int64("free", free))
	}
}

// Of MaxStore so many hundredths may be used before nothing is taken any more, and
// at most so many when it is again. The rest is for marks and leases.
const (
	fullAt  = 95
	emptyAt = 90
)

// stored says that the store has come near to what it may hold.
func (e *Engine) stored(full bool) error {
	used, err := e.server.Jsz(&server.JSzOptions{})
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	e.health.stored.Set(float64(used.Store))
	at := int64(fullAt)
	if full {
		at = emptyAt
	}
	if int64(used.Store) >= e.o.MaxStore/100*at {
		return fmt.Errorf("engine: the store holds %d bytes, and nothing is taken near %d; "+
			"Records have to be delivered or purged, or the limit raised", used.Store, e.o.MaxStore)
	}
	return nil
}

// restart starts JetStream anew if the directory can be written.
func (e *Engine) restart() error {
	if err := probe(e.o.Dir); err != nil {
		return err
	}
	if err := e.server.ShutdownJetStream(); err != nil {
		return err
	}
	if err := e.renew(); err != nil {
		return err
	}
	err := e.server.EnableJetStream(&server.JetStreamConfig{
		StoreDir: e.o.Dir, SyncInterval: e.syncInterval(), MaxMemory: e.o.MaxMemory, MaxStore: e.o.MaxStore,
		CompressOK: true, Strict: true,
	})
	if err != nil {
		return fmt.Errorf("starting the store anew: %w", err)
	}
	e.health.begun.Store(time.Now().UnixNano())
	e.health.restarts.Inc()
	e.log.Warn("the store had failed and was started anew")
	return nil
}

// probe writes a file and has it synced.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, "probe")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 4<<10))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(filepath.Clean(f.Name())))
}

// freeSpace is what a user may still write to the file system of dir, in bytes.
func freeSpace(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // of another type on other systems
}
