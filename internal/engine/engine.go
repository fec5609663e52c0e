// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// Engine is a running engine. Safe for concurrent use; several of them, on
// directories of their own, live in one process.
type Engine struct {
	o      Options
	log    *zap.Logger
	server *server.Server // nil: an external cluster
	conn   *nats.Conn
	js     jetstream.JetStream
	health health
	secret string // that the embedded engine's files are encrypted with; empty: they are not

	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	syncers map[string]*syncer // by stream
	closed  bool
}

// Open starts the embedded engine, or connects to the cluster. Close ends it.
func Open(ctx context.Context, o Options) (*Engine, error) {
	if (o.Dir == "") == (o.URL == "") {
		return nil, errors.New("engine: either a directory or a URL is required")
	}
	e := &Engine{o: o.withDefaults(), syncers: make(map[string]*syncer)}
	e.log = e.o.Log.Named("engine")
	if err := e.health.register(e.o.Metrics); err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	e.cancel = end
	if err := e.start(); err != nil {
		e.Close()
		return nil, fmt.Errorf("engine: %w", err)
	}
	if e.server != nil {
		e.checkHealth()
		e.wg.Go(func() { e.tendHealth(life) })
	}
	return e, nil
}

func (e *Engine) start() error {
	if e.o.Dir != "" {
		if err := e.embed(); err != nil {
			return err
		}
	}
	var err error
	if e.conn, err = nats.Connect(e.o.URL, e.connectOptions()...); err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	if got := e.conn.MaxPayload(); e.server == nil && got < MinPayload {
		return fmt.Errorf("the cluster takes messages of %d bytes, and Records need %d: set max_payload of its servers",
			got, MinPayload)
	}
	e.js, err = jetstream.New(e.conn)
	return err
}

// embed starts the server of the process.
func (e *Engine) embed() error {
	if err := e.prepare(); err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "uspgate", DontListen: true, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: e.o.Dir, SyncInterval: e.syncInterval(),
		JetStreamMaxMemory: e.o.MaxMemory, JetStreamMaxStore: e.o.MaxStore,
		MaxPayload: int32(e.o.MaxPayload), DisableJetStreamBanner: true,
		JetStreamKey: e.secret, JetStreamCipher: server.AES,
	})
	if err != nil {
		return err
	}
	e.server = s
	s.Start()
	if !s.ReadyForConnections(e.o.Start) {
		return errors.New("the embedded server did not start in time")
	}
	return nil
}

// syncInterval is how often the server syncs by itself.
func (e *Engine) syncInterval() time.Duration {
	if e.o.Interval == 0 {
		return DefaultStart // for what syncer does not see: compacted blocks
	}
	return e.o.Interval
}

// streamDir is the directory of a stream's blocks.
func (e *Engine) streamDir(stream string) string {
	return filepath.Join(e.o.Dir, "jetstream", "$G", "streams", stream, "msgs")
}

// durable calls done once everything that JetStream has acknowledged for stream
// until now is as durable as it is going to be.
func (e *Engine) durable(stream string, done func(error)) {
	if e.server == nil || e.o.Interval != 0 {
		done(nil) // the cluster has replicated it, or the server syncs by itself
		return
	}
	e.mu.Lock()
	y := e.syncers[stream]
	if y == nil {
		y = &syncer{dir: e.streamDir(stream), top: filepath.Clean(e.o.Dir), file: e.syncFile}
		e.syncers[stream] = y
	}
	e.mu.Unlock()
	y.after(func(err error) {
		if err != nil {
			e.unanswered(err)
		}
		done(err)
	})
}

// syncFile is one fsync.
func (e *Engine) syncFile(name string) error {
	begin := time.Now()
	err := e.o.sync(name)
	e.health.fsync.Observe(time.Since(begin).Seconds())
	return err
}

// renew makes good for an fsync that has failed. The store is shut down.
func (e *Engine) renew() error {
	e.mu.Lock()
	syncers := e.syncers
	e.syncers = make(map[string]*syncer) // a new one looks at everything
	e.mu.Unlock()
	for stream, y := range syncers {
		y.mu.Lock()
		failed, running := y.failed, y.running
		y.mu.Unlock()
		if failed == nil && !running {
			continue
		}
		if err := y.renew(); err != nil {
			e.mu.Lock()
			maps.Copy(e.syncers, syncers) // the next time
			e.mu.Unlock()
			return fmt.Errorf("writing %s once more: %w", stream, err)
		}
	}
	return nil
}

// Close ends the engine. What was acknowledged is kept.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.cancel()
	e.wg.Wait()
	if e.conn != nil {
		e.conn.Close()
	}
	if e.server != nil {
		e.server.Shutdown()
		e.server.WaitForShutdown()
	}
}
