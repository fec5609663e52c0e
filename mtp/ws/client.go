// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"

	"github.com/gorilla/websocket"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/listen"
	"github.com/uspgate/uspgate/usp"
)

// Client is the client role: an mtp.Transport that keeps one connection to one
// server and connects again when it ends [R-WS.5, R-WS.19].
type Client struct {
	opts    ClientOptions
	metrics *mtp.KindMetrics
	buffers *Buffers
	target  string // URL with the own Endpoint ID
}

// NewClient checks o and allocates.
func NewClient(o ClientOptions) (*Client, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	metrics, err := mtp.NewMetrics(o.Metrics, mtp.WebSocket)
	if err != nil {
		return nil, fmt.Errorf("ws: %w", err)
	}
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("ws: URL: %w", err)
	}
	return &Client{opts: o, metrics: metrics, buffers: o.Buffers, target: withEndpoint(*u, o.Endpoint)}, nil
}

// Name implements mtp.Transport.
func (c *Client) Name() string { return c.opts.Name }

// Listen implements mtp.Transport; a client has nothing to bind.
func (c *Client) Listen(context.Context) error { return nil }

// Addr implements mtp.Transport.
func (c *Client) Addr() string { return c.opts.URL }

// Run implements mtp.Transport. When ctx ends it closes the Link with
// mtp.ErrDraining, which takes at most twice CloseTimeout.
func (c *Client) Run(ctx context.Context, h mtp.Handler) error {
	return mtp.Supervise(ctx, c.supervised(), func(ctx context.Context, up func()) error {
		return c.attempt(ctx, h, up)
	})
}

func (c *Client) supervised() mtp.SuperviseOptions {
	return mtp.SuperviseOptions{
		Retry: c.opts.Retry, Hold: c.opts.Hold, GiveUp: c.opts.GiveUp,
		Log: c.opts.Log.WithLazy(zap.String("listener", c.opts.Name)), // one of many thousand
	}
}

// attempt is one connection, from dialling to its end. Dialling needs a large
// stack, so it has a goroutine of its own that is gone when the Link is up.
func (c *Client) attempt(ctx context.Context, h mtp.Handler, up func()) error {
	ended := make(chan error, 1)
	go func() {
		if err := guard(func() error { return c.connect(ctx, h, up, ended) }); err != nil {
			ended <- err
		}
	}()
	return <-ended
}

// connect brings a Link up, whose end is told to ended later.
func (c *Client) connect(ctx context.Context, h mtp.Handler, up func(), ended chan<- error) error {
	conn, w, answer, err := c.dial(ctx)
	if err != nil {
		return err
	}
	peer, err := c.peer(conn, w, answer)
	if err != nil {
		w.kill()
		return err
	}
	l := newLink(w, &c.opts.LinkOptions, c.metrics, peer.Endpoint)
	if err := l.introduce(h, peer); err != nil {
		return err
	}
	up()
	l.logger().Info("link up", zap.String("url", c.opts.URL))
	stopKeeping := keep(l, interval(c.opts.KeepAlive))
	stopClosing := context.AfterFunc(ctx, func() { l.Close(mtp.ErrDraining) })
	go c.own(l, func() {
		stopKeeping()
		stopClosing()
		ended <- l.ending.Cause()
	})
	return nil
}

// own is the goroutine of a Link, as that of a server.
func (c *Client) own(l *link, end func()) {
	if l.live() {
		go c.own(l, end)
		return
	}
	end()
}

// dial connects and shakes hands, all within the handshake timeout.
func (c *Client) dial(ctx context.Context) (*websocket.Conn, *wire, http.Header, error) {
	var w *wire
	// The library does not watch ctx once it is connected: the wire does.
	stop := func() bool { return true }
	defer func() { stop() }()
	wrap := func(conn net.Conn) net.Conn {
		w = &wire{Conn: conn, buffers: c.buffers, masked: true}
		stop = context.AfterFunc(ctx, w.kill)
		return w
	}
	d := websocket.Dialer{
		NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := c.dialTCP(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return wrap(conn), nil
		},
		NetDialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := c.dialTLS(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return wrap(conn), nil
		},
		HandshakeTimeout: c.opts.HandshakeTimeout,
		ReadBufferSize:   readBufferSize,
		WriteBufferSize:  writeBufferSize, WriteBufferPool: &sync.Pool{},
		Subprotocols: []string{Subprotocol}, // [R-WS.9]
	}
	conn, resp, err := d.DialContext(ctx, c.target, c.header())
	if resp != nil {
		_ = resp.Body.Close() // the library has replaced it by a copy in memory
	}
	if err != nil {
		return nil, nil, nil, dialError(err, resp)
	}
	return conn, w, resp.Header, nil
}

func (c *Client) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("address: %w", err)
	}
	conf := c.opts.TLS.Clone()
	if conf.ServerName == "" {
		conf.ServerName = host
	}
	conn, err := c.dialTCP(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	secure := tls.Client(conn, conf)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the handshake's error says more
		return nil, err
	}
	return secure, nil
}

func (c *Client) header() http.Header {
	h := c.opts.Header.Clone()
	if h == nil {
		h = make(http.Header)
	}
	if c.opts.LegacyExtension { // [R-WS.10a]
		h[extensionHeader] = []string{extensionValue(c.opts.Endpoint)}
	}
	return h
}

// dialError says what the server answered, if it did.
func dialError(err error, resp *http.Response) error {
	if errors.Is(err, websocket.ErrBadHandshake) && resp != nil {
		return fmt.Errorf("ws: dial: the server answered %s: %w", resp.Status, err)
	}
	return fmt.Errorf("ws: dial: %w", err)
}

var (
	errNoSubprotocol = errors.New("ws: the server's answer lacks the subprotocol " + Subprotocol)
	errOtherEndpoint = errors.New("ws: the server is another Endpoint")
)

// peer checks the answer to the handshake and says who the server is.
func (c *Client) peer(conn *websocket.Conn, w *wire, answer http.Header) (mtp.Peer, error) {
	if conn.Subprotocol() != Subprotocol { // [R-WS.12]
		return mtp.Peer{}, errNoSubprotocol
	}
	// Agents answer with the extension unasked [R-WS.11b]; one that makes no
	// sense is as good as none.
	told, _, err := extensionEndpoint(answer.Values("Sec-Websocket-Extensions"))
	if err != nil {
		told = ""
	}
	if c.opts.Peer != "" && told != "" && told != c.opts.Peer {
		return mtp.Peer{}, fmt.Errorf("%w: %q, want %q", errOtherEndpoint, told, c.opts.Peer)
	}
	p := mtp.Peer{
		Kind: mtp.WebSocket, Listener: c.opts.Name, Remote: conn.RemoteAddr().String(),
		Loopback: listen.Loopback(w.Conn),
		Endpoint: c.opts.Peer, Role: c.opts.Role, Shared: c.opts.Shared,
		NoConnectRecords: c.opts.NoConnectRecords, Order: c.opts.Order, MaxHold: c.opts.MaxHold,
	}
	if !c.opts.Carrier {
		p.Presents = c.opts.Endpoint
	}
	_, p.Protected = w.Conn.(*tls.Conn)
	if p.Endpoint == "" && !p.Shared {
		p.Endpoint = told
	}
	p.Identity, err = c.identity(w, p)
	return p, err
}

// identity is that of the server: TLS has checked its name against the URL
// [R-MTP.4]; Endpoint IDs in its certificate are binding where there are any.
func (c *Client) identity(w *wire, p mtp.Peer) (mtp.Identity, error) {
	id := mtp.Identity{Method: "none"}
	if p.Endpoint != "" {
		id.Method = "handshake"
	}
	if c.opts.Peer != "" {
		id.IDs = []usp.EndpointID{c.opts.Peer} // bound by configuration
	}
	if conn, ok := w.Conn.(*tls.Conn); ok {
		id.Method = "certificate"
		var named mtp.Identity
		state := conn.ConnectionState()
		if certs := state.PeerCertificates; len(certs) > 0 {
			named.IDs = mtp.CertificateURNs(certs[0]) // its DNS names name the host
			id.Name = certificateName(certs[0])
		}
		if len(named.IDs) > 0 {
			id.Chain = mtp.Chain(&state)
		}
		if p.Endpoint != "" && !named.Allows(p.Endpoint) {
			return mtp.Identity{}, fmt.Errorf("%w: its certificate does not name %q [R-SEC.0a]", errOtherEndpoint, p.Endpoint)
		}
		if c.opts.Peer == "" && !p.Shared {
			id.IDs = named.IDs
		}
	}
	id = bounded(id, c.opts.Patterns, p.Shared)
	id.Any = id.Any || p.Shared && len(c.opts.Patterns) == 0 // a certificate names the broker, not who is behind
	if p.Endpoint != "" && !id.Allows(p.Endpoint) {
		return mtp.Identity{}, fmt.Errorf("%w: %q is outside of what the configuration allows", errOtherEndpoint, p.Endpoint)
	}
	return id, nil
}
