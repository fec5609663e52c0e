// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Client is the client role: an mtp.Transport that is connected to another's
// broker, for one Endpoint or for many. Its one Link reaches every Endpoint on
// that broker by the destination of the template. With Shared it represents
// Endpoints by subscriptions, which outlive the connection.
type Client struct {
	opts    ClientOptions
	url     *url.URL
	metrics *mtp.KindMetrics
	// suspects is how many Records may have been the reason of the ERROR that
	// ended the last connection; of the goroutine of Run.
	suspects int
	dialer   func() (net.Conn, error) // of tests; nil: the network

	mu      sync.Mutex
	link    *clientLink            // the one that is up
	shown   map[usp.Address]string // the represented, with the ids of their subscriptions
	lastSub uint64
	full    bool     // there was no room
	known   sync.Map // the keys of shown, for whoever holds flow.mu
}

var (
	_ mtp.Transport   = (*Client)(nil)
	_ mtp.Representer = (*Client)(nil)
)

// NewClient checks o and allocates.
func NewClient(o ClientOptions) (*Client, error) {
	u, err := o.setDefaults()
	if err != nil {
		return nil, err
	}
	metrics, err := mtp.NewMetrics(o.Metrics, mtp.STOMP)
	if err != nil {
		return nil, fmt.Errorf("stomp: %w", err)
	}
	return &Client{opts: o, url: u, metrics: metrics, shown: make(map[usp.Address]string)}, nil
}

// Name implements mtp.Transport.
func (c *Client) Name() string { return c.opts.Name }

// Listen implements mtp.Transport; a client has nothing to bind.
func (*Client) Listen(context.Context) error { return nil }

// Addr implements mtp.Transport.
func (c *Client) Addr() string { return c.url.Redacted() }

// Run implements mtp.Transport.
func (c *Client) Run(ctx context.Context, h mtp.Handler) error {
	o := mtp.SuperviseOptions{Retry: c.opts.Retry, Hold: c.opts.Hold, GiveUp: c.opts.GiveUp, Log: c.opts.Log}
	return mtp.Supervise(ctx, o, func(ctx context.Context, up func()) error { return c.serve(ctx, h, up) })
}

// serve is one connection from dial to end.
func (c *Client) serve(ctx context.Context, h mtp.Handler, up func()) error {
	raw, err := c.dial(ctx)
	if err != nil {
		return fmt.Errorf("stomp: %w", err)
	}
	l := newClientLink(c, raw, up)
	ended := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() {
		defer close(ended)
		l.leave()
	})
	err = l.run(ctx, h)
	if !unwatch() {
		<-ended
	}
	return l.end(err)
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	if c.dialer != nil {
		return c.dialer()
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.HandshakeTimeout)
	defer cancel()
	if c.url.Scheme == "stomps" {
		return (&tls.Dialer{Config: c.opts.TLS}).DialContext(ctx, "tcp", c.url.Host)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", c.url.Host)
}

// subscribes reports whether every Endpoint that is represented has a
// subscription of its own.
func (c *Client) subscribes() bool { return c.opts.Shared && c.opts.OwnDestination == "" }

// Represent implements mtp.Representer: with Shared it subscribes to the
// destination of a, now and on every later connection. With OwnDestination, or
// without Shared, Records come to the one destination that there is.
func (c *Client) Represent(a usp.Address) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.shown[a]; ok || !c.opts.Shared {
		return
	}
	if len(c.shown) >= c.opts.MaxRepresented {
		if !c.full {
			c.opts.Log.Warn("too many Endpoints to represent", zap.Int("max", c.opts.MaxRepresented))
		}
		c.full = true
		return
	}
	c.lastSub++
	id := "r" + strconv.FormatUint(c.lastSub, 10)
	a.ID = usp.EndpointID(strings.Clone(string(a.ID)))
	c.shown[a] = id
	c.known.Store(a, nil)
	if c.link != nil && c.subscribes() {
		c.link.flow.tell(appendSubscribe(nil, id, c.opts.Destinations.of(a), ""))
	}
}

// Withdraw implements mtp.Representer.
func (c *Client) Withdraw(a usp.Address) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, ok := c.shown[a]
	if !ok {
		return
	}
	delete(c.shown, a)
	c.known.Delete(a)
	c.full = false
	if c.link != nil && c.subscribes() {
		c.link.flow.tell(appendUnsubscribe(nil, id))
	}
}

// attach makes l the Link that is told of later Represents, and returns the
// SUBSCRIBEs for all before.
func (c *Client) attach(l *clientLink) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link = l
	var frames []byte
	if !c.subscribes() {
		return nil
	}
	for a, id := range c.shown {
		frames = appendSubscribe(frames, id, c.opts.Destinations.of(a), "")
	}
	return frames
}

// roleOf is the role of an Endpoint of this gateway: the configured one, or that
// in which it is represented.
func (c *Client) roleOf(id usp.EndpointID) usp.Role {
	if c.opts.Role != usp.RoleUnknown {
		return c.opts.Role
	}
	if _, ok := c.known.Load(usp.Address{ID: id, Role: usp.RoleController}); ok {
		return usp.RoleController
	}
	return usp.RoleAgent
}

func (c *Client) detach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link = nil
}
