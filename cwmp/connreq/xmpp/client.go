// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package xmpp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"mellium.im/xmpp/jid"

	"github.com/uspgate/uspgate/cwmp/connreq"
)

// Client keeps a connection to an XMPP server while Run runs. Safe for concurrent
// use.
type Client struct {
	opts    Options
	self    jid.JID
	domains map[string]bool
	log     *zap.Logger

	connected prometheus.Gauge
	connects  *prometheus.CounterVec

	mu      sync.Mutex
	conn    *connection   // nil while there is none
	failed  error         // why there is none, since an attempt has failed
	changed chan struct{} // closed and replaced when one of these changes
}

var _ connreq.Requester = (*Client)(nil)

// New returns a Client; an error is about Options. Metrics that cannot be
// registered are not, and logged.
func New(o Options) (*Client, error) {
	o = o.withDefaults()
	self, err := jid.Parse(o.JID)
	if err != nil || self.Localpart() == "" {
		return nil, fmt.Errorf("connreq/xmpp: %q is not the JID of a user", o.JID)
	}
	if o.DirectTLS && o.Addr == "" {
		return nil, errors.New("connreq/xmpp: DirectTLS needs Addr")
	}
	c := &Client{
		opts: o, self: self, log: o.Log.Named("connreq.xmpp"), domains: map[string]bool{},
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "uspgate_xmpp_connected", Help: "1 while logged in to the XMPP server.",
		}),
		connects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "uspgate_xmpp_connects_total", Help: "Connections to the XMPP server by result.",
		}, []string{"result"}),
		changed: make(chan struct{}),
	}
	if len(o.Domains) == 0 {
		o.Domains = []string{self.Domainpart()}
	}
	for _, d := range o.Domains {
		domain, err := jid.Parse(d)
		if err != nil || domain.Domainpart() != domain.String() {
			return nil, fmt.Errorf("connreq/xmpp: %q is not a domain", d)
		}
		c.domains[domain.String()] = true
	}
	if o.Metrics != nil {
		if err := errors.Join(o.Metrics.Register(c.connected), o.Metrics.Register(c.connects)); err != nil {
			c.log.Error("metrics not registered", zap.Error(err))
		}
	}
	return c, nil
}

// Run keeps a connection, with pauses after one that failed, until ctx ends; then
// it returns nil.
func (c *Client) Run(ctx context.Context) error {
	pause := c.opts.Backoff
	for {
		began := time.Now()
		err := c.once(ctx)
		if time.Since(began) > c.opts.MaxBackoff {
			pause = c.opts.Backoff // it has been up for long
		}
		wait := pause/2 + rand.N(pause/2+1)
		if ctx.Err() == nil {
			c.log.Warn("no connection to the XMPP server", zap.Duration("again_in", wait), zap.Error(err))
		}
		pause = min(2*pause, c.opts.MaxBackoff)
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil
		}
	}
}

// once keeps one connection for as long as it lasts, and returns why it has ended.
func (c *Client) once(ctx context.Context) error {
	conn, err := c.connect(ctx)
	if err != nil {
		c.connects.WithLabelValues("failed").Inc()
		c.set(nil, err)
		return err
	}
	c.connects.WithLabelValues("ok").Inc()
	c.log.Info("connected to the XMPP server", zap.Stringer("jid", conn.session.LocalAddr()))
	c.set(conn, nil)
	defer c.set(nil, nil)
	return conn.run(ctx)
}

// set makes conn the connection for requests; nil is none, failed is why.
func (c *Client) set(conn *connection, failed error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn, c.failed = conn, failed
	close(c.changed)
	c.changed = make(chan struct{})
	if conn != nil {
		c.connected.Set(1)
	} else {
		c.connected.Set(0)
	}
}

// current returns the connection. At the beginning, and where one was lost, it waits
// for the attempt to make one; once that has failed it does not, so that requests do
// not pile up while the server is away.
func (c *Client) current(ctx context.Context) (*connection, error) {
	for {
		c.mu.Lock()
		conn, failed, changed := c.conn, c.failed, c.changed
		c.mu.Unlock()
		if conn != nil {
			return conn, nil
		}
		if failed != nil {
			return nil, fmt.Errorf("%w: no connection to the XMPP server: %w", connreq.ErrUnreachable, failed)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: no connection to the XMPP server", connreq.ErrUnreachable)
		}
	}
}
