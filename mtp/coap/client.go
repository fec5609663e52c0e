// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

var errSilent = errors.New("coap: the peer does not answer pings")

// Client is the client role: an mtp.Transport with one Link to the Endpoint,
// or the Endpoints, at one URL, on a UDP socket of its own that also takes
// their Records.
type Client struct {
	opts   ClientOptions
	node   *node
	target target

	// Guarded by the node's lock.
	current *link
	remote  netip.AddrPort
	session *session
	own     string                    // the URL as it is resolved
	known   map[usp.EndpointID]string // where Endpoints behind a shared Link want their Records
}

// NewClient checks o and allocates.
func NewClient(o ClientOptions) (*Client, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	c := &Client{opts: o}
	var err error
	if c.target, err = parseTarget(o.URL); err != nil {
		return nil, fmt.Errorf("coap: URL: %w", err)
	}
	conf := o.TLS
	if !c.target.secure {
		conf = nil
	}
	n, err := newNode(&c.opts.LinkOptions, conf)
	if err != nil {
		return nil, err
	}
	if n.secure != nil {
		n.secure.accept = demanding(conf)
	}
	n.role, c.node = c, n
	return c, nil
}

// demanding is the configuration for the sessions that the peer opens to us: it
// has to show a certificate as it does in its answers.
func demanding(conf *tls.Config) *tls.Config {
	conf = conf.Clone()
	if conf.ClientCAs == nil {
		conf.ClientCAs = conf.RootCAs
	}
	if conf.ClientAuth < tls.RequireAnyClientCert {
		conf.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return conf
}

// Name implements mtp.Transport.
func (c *Client) Name() string { return c.opts.Name }

// Listen implements mtp.Transport: it binds the socket that answers come to.
func (c *Client) Listen(ctx context.Context) error { return c.node.listen(ctx, c.opts.Listen) }

// Addr implements mtp.Transport.
func (c *Client) Addr() string { return c.opts.URL }

// Run implements mtp.Transport. When ctx ends it closes the Link with
// mtp.ErrDraining, which takes at most CloseTimeout.
func (c *Client) Run(ctx context.Context, h mtp.Handler) error {
	if err := c.Listen(ctx); err != nil {
		return err
	}
	return c.node.run(ctx, h, func(ctx context.Context) error {
		o := mtp.SuperviseOptions{Retry: c.opts.Retry, Hold: c.opts.Hold, GiveUp: c.opts.GiveUp, Log: c.opts.Log}
		return mtp.Supervise(ctx, o, c.attempt)
	})
}

// attempt is one Link, from finding the peer to its end.
func (c *Client) attempt(ctx context.Context, up func()) error {
	to, err := c.node.dial(ctx, &c.target)
	if err != nil {
		return err
	}
	if c.opts.KeepAlive > 0 {
		if err := c.ping(ctx, to, nil); err != nil {
			return err
		}
	}
	l, err := c.begin(to)
	if err != nil {
		return err
	}
	select {
	case <-l.up:
		up()
	case <-l.done:
	}
	return c.keep(ctx, l, to)
}

// begin makes the Link.
func (c *Client) begin(to way) (*link, error) {
	n := c.node
	dest := c.target
	dest.prepare() // with the name as Uri-Host, if it is one
	dest.host, dest.port = to.addr.Addr().String(), to.addr.Port()
	peer := mtp.Peer{
		Kind: mtp.CoAP, Listener: c.opts.Name, Remote: to.addr.String(), Loopback: to.addr.Addr().IsLoopback(),
		Endpoint: c.opts.Peer, Role: c.opts.Role, Presents: c.opts.Endpoint, Shared: c.opts.Shared, Order: c.opts.Order,
		MaxHold: c.opts.MaxHold, Acks: true, Protected: to.session != nil,
	}
	var err error
	if peer.Identity, err = c.identity(to.session); err != nil {
		return nil, err
	}
	fx := n.begin()
	defer n.end(fx)
	l := n.newLink(peer, &dest)
	l.source = to.addr
	c.current, c.remote, c.session, c.own = l, to.addr, to.session, dest.String()
	c.known = make(map[usp.EndpointID]string)
	if to.session != nil && !to.session.alive() {
		c.current = nil
		return nil, errNoSession
	}
	l.kick()
	return l, nil
}

// identity is the peer's: by configuration, and by its certificate where that
// names Endpoints [R-SEC.0a].
func (c *Client) identity(s *session) (mtp.Identity, error) {
	id := mtp.Identity{Method: "none", Patterns: c.opts.Patterns, Any: c.opts.Shared && len(c.opts.Patterns) == 0}
	if c.opts.Peer != "" {
		id.IDs = []usp.EndpointID{c.opts.Peer}
	}
	if s == nil {
		return id, nil
	}
	id.Method, id.Name = "certificate", s.identity.Name
	if c.opts.Peer != "" && !s.identity.Allows(c.opts.Peer) {
		c.node.metrics.Rejected(mtp.RejectIdentity)
		return id, fmt.Errorf("coap: the peer's certificate does not name %q: %w", c.opts.Peer, mtp.ErrForbidden)
	}
	if c.opts.Peer == "" && !c.opts.Shared {
		id.IDs = s.identity.IDs
	}
	return id, nil
}

// keep waits for the end of the Link, and pings the peer.
func (c *Client) keep(ctx context.Context, l *link, to way) error {
	stop := context.AfterFunc(ctx, func() { l.Close(mtp.ErrDraining) })
	defer stop()
	var tick <-chan time.Time
	if c.opts.KeepAlive > 0 {
		t := time.NewTicker(c.opts.KeepAlive)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-l.done:
			return l.cause
		case <-tick:
			if err := c.ping(ctx, to, l); err != nil {
				fx := c.node.begin()
				l.fail(fx, err)
				c.node.end(fx)
			}
		}
	}
}

// ping asks the peer for a sign of life [RFC 7252 4.3]; it needs none while the
// Link has heard of it, and none when the Link ends.
func (c *Client) ping(ctx context.Context, to way, l *link) error {
	var done <-chan struct{}
	if l != nil {
		c.node.mu.Lock()
		quiet := time.Since(l.heard)
		c.node.mu.Unlock()
		if quiet < c.opts.KeepAlive {
			return nil
		}
		done = l.done
	}
	p := c.node.startPing(to)
	defer c.node.stopPing(p)
	select {
	case ok := <-p.done:
		if !ok {
			return errSilent
		}
		return nil
	case <-done:
		return nil
	case <-ctx.Done():
		if l != nil {
			return nil // the Link is closing
		}
		return ctx.Err()
	}
}

// link implements role: all Records belong to the one Link, if the peer may
// have sent them.
func (c *Client) link(r *request) (*link, error) {
	l, from := c.current, r.rec.Header().From
	if l == nil || l.state != linkOpen {
		return nil, mtp.ErrBusy
	}
	if !c.expected(r.way) || !c.speaksFor(r.way.session, from) {
		c.node.metrics.Rejected(mtp.RejectIdentity)
		return nil, fmt.Errorf("not from the peer: %w", mtp.ErrForbidden)
	}
	if r.replyTo == c.own {
		r.replyTo = ""
	}
	if c.opts.Shared {
		c.bind(r, from)
	}
	return l, nil
}

// expected reports whether the peer's Records may come from there.
func (c *Client) expected(w way) bool {
	addr := w.addr.Addr()
	return addr == c.remote.Addr() ||
		slices.ContainsFunc(c.opts.ReplyTo, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// speaksFor reports whether the peer may send Records of that Endpoint: by
// configuration, and by its certificate.
func (c *Client) speaksFor(s *session, from usp.EndpointID) bool {
	allowed := mtp.Identity{Patterns: c.opts.Patterns}
	if c.opts.Peer != "" {
		allowed.IDs = []usp.EndpointID{c.opts.Peer}
	}
	if !allowed.Allows(from) {
		return false
	}
	if s == nil {
		return true
	}
	who := s.identity
	who.Patterns = c.opts.Patterns
	return s.proved && who.Allows(from)
}

// bind has an Endpoint behind a shared Link reached where it wants to be.
func (c *Client) bind(r *request, from usp.EndpointID) {
	before, ok := c.known[from]
	if ok && before == r.replyTo || !ok && len(c.known) >= DefaultMaxPeers {
		return
	}
	c.known[usp.EndpointID(strings.Clone(string(from)))] = r.replyTo
	r.rebind = true
}

// identify implements role: begin has.
func (c *Client) identify(*link) error { return nil }

// gone implements role.
func (c *Client) gone(l *link) {
	if c.current == l {
		c.current, c.known = nil, nil
	}
}

// sessionGone implements role: the Link lives as long as the session to URL.
func (c *Client) sessionGone(fx *effects, s *session) {
	if c.current != nil && c.session == s {
		c.current.fail(fx, errNoSession)
	}
}

// expires implements role.
func (c *Client) expires(*link) bool { return false }

// interfaces implements role.
func (c *Client) interfaces() string { return interfacesOf(c.opts.Role) }
