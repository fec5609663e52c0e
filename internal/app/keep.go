// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/internal/obs"
	"github.com/uspgate/uspgate/internal/state"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// keep is what outlives the process, or its twin in memory.
type keep struct {
	dir     *dataDir       // nil: nothing is on disk
	engine  *engine.Engine // nil: everything is in memory
	known   *known         // nil: nobody is remembered, or the nodes do
	before  []usp.Address  // who was here before
	queue   buffer.Queue
	durable *engine.Queue       // the same where it is durable, else nil
	shared  *engine.SharedQueue // nil: this process has an engine of its own, or none
	state   *state.State        // of the devices
}

// openKeep opens what the configuration asks for. close ends it, also where
// openKeep has failed.
func openKeep(ctx context.Context, o Options, reg prometheus.Registerer) (*keep, error) {
	k := &keep{}
	c := &o.Config.Engine
	var err error
	if c.Store == "memory" {
		k.queue, err = buffer.NewMemory(buffer.MemoryOptions{Limits: limits(&o.Config.Routing), Metrics: reg})
		return k, err
	}
	if c.URL == "" {
		if k.dir, err = openDataDir(o.Config.DataDir); err != nil {
			return k, err
		}
	}
	options := engineOptions(o, reg)
	if err = clusterAccess(c, &options); err != nil {
		return k, err
	}
	if k.engine, err = engine.Open(ctx, options); err != nil {
		return k, err
	}
	if c.URL != "" {
		k.shared, err = k.engine.SharedQueue(ctx, engine.SharedOptions{Limits: limits(&o.Config.Routing), Metrics: reg})
		k.queue = k.shared
		return k, err
	}
	var group errgroup.Group // both have to read a lot where there are many Endpoints
	group.Go(func() (err error) {
		forget := time.Duration(o.Config.Routing.ForgetAfter)
		k.known, k.before, err = openKnown(ctx, k.engine.Store(), forget, o.Log)
		return err
	})
	group.Go(func() (err error) {
		k.durable, err = k.engine.Queue(ctx, engine.QueueOptions{Limits: limits(&o.Config.Routing), Metrics: reg})
		return err
	})
	err = group.Wait()
	k.queue = k.durable
	return k, err
}

// close ends what is open; nothing of the gateway may be running any more.
func (k *keep) close() error {
	if k.durable != nil {
		k.durable.Close()
	}
	if k.shared != nil {
		k.shared.Close()
	}
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
	if k.engine == nil {
		return nil
	}
	return []obs.Check{{Name: "engine", Ready: k.engine.Ready}}
}

func engineOptions(o Options, reg prometheus.Registerer) engine.Options {
	c := &o.Config.Engine
	options := engine.Options{
		URL:       c.URL,
		MaxMemory: int64(c.MaxMemory), MaxStore: int64(c.MaxStore), MinFree: int64(c.MinFree),
		Log: o.Log, Metrics: reg,
	}
	if c.URL == "" {
		options.Dir = filepath.Join(o.Config.DataDir, "engine")
		options.KeyFile = c.EncryptKeyFile
	} else {
		options.Replicas = c.Replicas
	}
	if c.Fsync == "interval" {
		options.Interval = time.Duration(c.FsyncInterval)
	}
	return options
}

// limits are those of the buffer, wherever it is.
func limits(r *config.Routing) buffer.Limits {
	l := buffer.Limits{
		MaxRecords: r.QueueLimit, MaxBytes: int64(r.QueueBytes), MaxAge: time.Duration(r.QueueAge),
		TotalRecords: r.Total, TotalBytes: int64(r.TotalBytes),
	}
	if r.Overflow == "drop_oldest" {
		l.Overflow = buffer.DropOldest
	}
	return l
}
