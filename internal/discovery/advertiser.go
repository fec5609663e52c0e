// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"go.uber.org/zap"
)

// Advertiser makes services known on the local network until Run ends [R-DIS.3,
// R-DIS.4]. Set may be called at any time, from anywhere.
type Advertiser struct {
	opts    Options
	metrics *metrics

	mu       sync.Mutex
	services []Service
	changed  chan struct{} // closed and replaced by every Set
}

// New checks o and allocates; Run opens the sockets.
func New(o Options) (*Advertiser, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	a := &Advertiser{opts: o, metrics: m, changed: make(chan struct{})}
	if err := a.Set(o.Services); err != nil {
		return nil, err
	}
	return a, nil
}

// Set replaces the services: what is new is probed and announced, what is gone
// says farewell. It copies services. On an error nothing has changed; the error
// joins all that is wrong with them. Safe for concurrent use.
func (a *Advertiser) Set(services []Service) error {
	var wrong []error
	if len(services) > a.opts.MaxServices {
		wrong = append(wrong, fmt.Errorf("discovery: %d services, at most %d", len(services), a.opts.MaxServices))
	}
	for i := range services {
		wrong = append(wrong, services[i].check())
	}
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.services = slices.Clone(services)
	close(a.changed)
	a.changed = make(chan struct{})
	return nil
}

// current returns the services and what tells of their change.
func (a *Advertiser) current() ([]Service, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.services, a.changed
}

// Run advertises until ctx ends, says farewell then, and returns nil; an error
// is that of a socket that fails for good. At return no goroutine of it is alive
// and the sockets are closed.
func (a *Advertiser) Run(ctx context.Context) error {
	conns := a.opts.Conns
	if conns == nil {
		var err error
		if conns, err = open(a.opts.Interfaces); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	failures := make([]error, len(conns))
	own := func(from netip.Addr) bool {
		return slices.ContainsFunc(conns, func(c PacketConn) bool { return slices.Contains(c.Addrs(), from) })
	}
	for i, conn := range conns {
		packets := make(chan packet, maxWaiting)
		all.Go(func() {
			defer cancel() // without one of them the others would look whole
			failures[i] = receive(ctx, conn, a.metrics, packets)
		})
		all.Go(func() {
			defer a.shut(conn)
			newSide(a, conn, own).run(ctx, packets)
		})
	}
	all.Wait()
	return errors.Join(failures...)
}

// shut closes a socket, which ends its receive.
func (a *Advertiser) shut(conn PacketConn) {
	if err := conn.Close(); err != nil {
		a.opts.Log.Warn("closing a socket failed", zap.Error(err))
	}
}
