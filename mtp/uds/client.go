// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds

import (
	"context"
	"fmt"
	"net"

	"github.com/uspgate/uspgate/mtp"
)

// Client is the client role: an mtp.Transport that keeps one connection to one
// server and connects again when it ends [R-UDS.3, R-UDS.5].
type Client struct {
	opts    ClientOptions
	metrics *mtp.KindMetrics
	buffers buffers
}

// NewClient checks o and allocates.
func NewClient(o ClientOptions) (*Client, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	metrics, err := mtp.NewMetrics(o.Metrics, mtp.UDS)
	if err != nil {
		return nil, fmt.Errorf("uds: %w", err)
	}
	return &Client{opts: o, metrics: metrics}, nil
}

// Name implements mtp.Transport.
func (c *Client) Name() string { return c.opts.Name }

// Listen implements mtp.Transport; a client has nothing to bind.
func (c *Client) Listen(context.Context) error { return nil }

// Addr implements mtp.Transport: the path of the server's socket.
func (c *Client) Addr() string { return c.opts.URL }

// Run implements mtp.Transport. When ctx ends it closes the Link with
// mtp.ErrDraining, which takes at most twice CloseTimeout.
func (c *Client) Run(ctx context.Context, h mtp.Handler) error {
	o := mtp.SuperviseOptions{Retry: c.opts.Retry, Hold: c.opts.Hold, GiveUp: c.opts.GiveUp, Log: c.opts.Log}
	return mtp.Supervise(ctx, o, func(ctx context.Context, up func()) error {
		up() // the wait does not grow from attempt to attempt [R-UDS.5]
		return c.attempt(ctx, h)
	})
}

// attempt is one connection, from dialling to its end.
func (c *Client) attempt(ctx context.Context, handler mtp.Handler) error {
	h, peer, err := c.connect(ctx)
	if err != nil {
		return err
	}
	l := newLink(h.wire, h.opts, c.metrics)
	stop := context.AfterFunc(ctx, func() { l.Close(mtp.ErrDraining) })
	defer stop()
	if err := l.introduce(handler, peer, nil); err != nil {
		return err
	}
	l.logger().Info("link up")
	l.live()
	return l.ending.Cause()
}

// connect dials and shakes hands, all within the handshake timeout.
func (c *Client) connect(ctx context.Context) (*handshake, mtp.Peer, error) {
	d := net.Dialer{Timeout: c.opts.HandshakeTimeout}
	conn, err := d.DialContext(ctx, "unix", c.opts.URL)
	if err != nil {
		return nil, mtp.Peer{}, fmt.Errorf("uds: dial: %w", err)
	}
	h := &handshake{opts: &c.opts.LinkOptions, client: true, tls: c.opts.TLS, want: c.opts.Peer}
	h.wire = newWire(conn, &c.buffers, h.opts)
	stop := context.AfterFunc(ctx, h.wire.kill)
	defer stop()
	peer, err := c.shake(ctx, h)
	if err != nil {
		c.metrics.Rejected(mtp.RejectHandshake)
		h.dismiss(err)
		h.wire.kill()
		return nil, mtp.Peer{}, err
	}
	return h, peer, nil
}

// shake sends our Handshake first and waits for the server's [R-UDS.16,
// R-UDS.18].
func (c *Client) shake(ctx context.Context, h *handshake) (mtp.Peer, error) {
	if err := h.admit(ctx); err != nil {
		return mtp.Peer{}, err
	}
	if err := h.wire.flush(appendFrame(nil, fieldHandshake, string(h.opts.own()))); err != nil {
		return mtp.Peer{}, &networkError{"write", err}
	}
	id, err := h.await()
	if err != nil {
		return mtp.Peer{}, err
	}
	return h.peer(id, c.opts.URL)
}
