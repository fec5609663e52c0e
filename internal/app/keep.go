// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/internal/obs"
	"github.com/uspgate/uspgate/routing/buffer"
)

// keep is what outlives the process, or its twin in memory.
type keep struct {
	dir    *dataDir       // nil: nothing is on disk
	engine *engine.Engine // nil: everything is in memory
	queue  buffer.Queue
}

// openKeep opens what the configuration asks for. close ends it, also where
// openKeep has failed.
func openKeep(ctx context.Context, o Options, reg prometheus.Registerer) (*keep, error) {
	k := &keep{}
	c := &o.Config.Engine
	if c.Store == "memory" {
		queue, err := buffer.NewMemory(memoryOptions(&o.Config.Routing, reg))
		k.queue = queue
		return k, err
	}
	var err error
	if c.URL == "" {
		if k.dir, err = openDataDir(o.Config.DataDir); err != nil {
			return k, err
		}
	}
	if k.engine, err = engine.Open(ctx, engineOptions(o, reg)); err != nil {
		return k, err
	}
	queue, err := buffer.NewMemory(memoryOptions(&o.Config.Routing, reg))
	k.queue = queue
	return k, err
}

// close ends what is open; nothing of the gateway may be running any more.
func (k *keep) close() error {
	if k.engine != nil {
		k.engine.Close()
	}
	if k.dir != nil {
		return k.dir.close()
	}
	return nil
}

// checks are what has to be well for the gateway to be ready.
func (k *keep) checks() []obs.Check {
	return nil
}

func engineOptions(o Options, reg prometheus.Registerer) engine.Options {
	c := &o.Config.Engine
	options := engine.Options{
		URL: c.URL, Replicas: c.Replicas,
		MaxMemory: int64(c.MaxMemory), MaxStore: int64(c.MaxStore), MinFree: int64(c.MinFree),
		Log: o.Log, Metrics: reg,
	}
	if c.URL == "" {
		options.Dir = filepath.Join(o.Config.DataDir, "engine")
	}
	if c.Fsync == "interval" {
		options.Interval = time.Duration(c.FsyncInterval)
	}
	return options
}

func memoryOptions(r *config.Routing, reg prometheus.Registerer) buffer.MemoryOptions {
	o := buffer.MemoryOptions{
		MaxRecords: r.QueueLimit, MaxBytes: int64(r.QueueBytes), MaxAge: time.Duration(r.QueueAge),
		TotalRecords: r.Total, TotalBytes: int64(r.TotalBytes), Metrics: reg,
	}
	if r.Overflow == "drop_oldest" {
		o.Overflow = buffer.DropOldest
	}
	return o
}
