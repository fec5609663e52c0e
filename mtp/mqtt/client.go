// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/mtp"
)

// Client is the client role: an mtp.Transport that is one Endpoint on another's
// broker, or with ClientOptions.Shared as many as are represented. Its one Link
// reaches every Endpoint on that broker, by its reply topic or the topic of the
// template.
type Client struct {
	opts          ClientOptions
	url           *url.URL
	metrics       *mtp.KindMetrics
	unrepresented prometheus.Counter
	own           Topics // of the represented

	represented  *represented
	counterparts counterparts
	version      atomic.Uint64 // of all that ways are found by
	clientID     string        // of the goroutine of Run; see ClientOptions.ClientID
}

var (
	_ mtp.Transport   = (*Client)(nil)
	_ mtp.Representer = (*Client)(nil)
)

// NewClient checks o and allocates.
func NewClient(o ClientOptions) (*Client, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("mqtt: URL: %w", err)
	}
	if u.Scheme != "mqtt" && u.Scheme != "mqtts" || u.Host == "" {
		return nil, fmt.Errorf("mqtt: URL %q: want mqtt:// or mqtts:// and a host", u.Redacted())
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), map[string]string{"mqtt": "1883", "mqtts": "8883"}[u.Scheme])
	}
	metrics, err := mtp.NewMetrics(o.Metrics, mtp.MQTT)
	if err != nil {
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	c := &Client{
		opts: o, url: u, metrics: metrics, own: o.ownTopics(), clientID: o.ClientID,
		represented: newRepresented(o.MaxRepresented), counterparts: counterparts{max: o.MaxPeers},
	}
	if c.unrepresented, err = newUnrepresented(&o); err != nil {
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	return c, nil
}

// Name implements mtp.Transport.
func (c *Client) Name() string { return c.opts.Name }

// Listen implements mtp.Transport; a client has nothing to bind.
func (*Client) Listen(context.Context) error { return nil }

// Addr implements mtp.Transport.
func (c *Client) Addr() string { return c.url.Redacted() }

// Run implements mtp.Transport.
func (c *Client) Run(ctx context.Context, h mtp.Handler) error {
	return mtp.Supervise(ctx, mtp.SuperviseOptions{
		Retry: c.opts.Retry, Hold: c.opts.Hold, GiveUp: c.opts.GiveUp, Log: c.opts.Log,
	}, func(ctx context.Context, up func()) error { return c.serve(ctx, h, up) })
}

// serve is one connection from dial to end.
func (c *Client) serve(ctx context.Context, h mtp.Handler, up func()) error {
	raw, err := c.dial(ctx)
	if err != nil {
		return fmt.Errorf("mqtt: %w", err)
	}
	l := newClientLink(c, raw)
	ended := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() {
		defer close(ended)
		l.leave()
	})
	err = l.guarded(ctx, h, up)
	if !unwatch() {
		<-ended
	}
	return l.end(err)
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.ConnectTimeout)
	defer cancel()
	if c.url.Scheme == "mqtts" {
		return (&tls.Dialer{Config: c.opts.TLS}).DialContext(ctx, "tcp", c.url.Host)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", c.url.Host)
}
