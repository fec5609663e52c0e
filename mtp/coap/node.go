// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/maphash"
	"net"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
)

// way is where datagrams come from and go to.
type way struct {
	addr    netip.AddrPort
	session *session // nil: plain UDP
}

// role is what differs between Server and Client. All methods are called with
// the node's lock.
type role interface {
	// link returns the Link that a Record belongs to, or why it is refused.
	link(r *request) (*link, error)
	// identify completes l.peer before LinkUp, without the lock.
	identify(l *link) error
	// gone forgets a Link that has ended.
	gone(l *link)
	// sessionGone hears of a session that has ended.
	sessionGone(fx *effects, s *session)
	// expires says that the Link goes down when it is idle.
	expires(l *link) bool
	// interfaces are the values of if= for our resource [R-COAP.1].
	interfaces() string
}

// node is one socket and all that goes on over it: the state of package coap.
// One lock guards it, which is never held while the router is called or a
// datagram is written.
type node struct {
	opts    *LinkOptions
	metrics *mtp.KindMetrics
	role    role
	secure  *tlsOptions // nil: plain UDP
	conn    *net.UDPConn
	local   netip.AddrPort
	handler mtp.Handler
	pool    sync.Pool // of *effects
	wg      sync.WaitGroup

	ctx    context.Context //nolint:containedctx // the socket's own
	cancel context.CancelFunc

	mu        sync.Mutex
	draining  bool
	clock     clock
	lastMID   uint16
	byMID     map[midKey]*exchange
	byToken   map[tokenKey]*delivery
	lanes     map[laneKey]*lane
	memory    memory
	transfers transfers
	sessions  sessions
	held      int // bytes received and not yet with the router
}

func newNode(o *LinkOptions, conf *tls.Config) (*node, error) {
	metrics, err := mtp.NewMetrics(o.Metrics, mtp.CoAP)
	if err != nil {
		return nil, fmt.Errorf("coap: %w", err)
	}
	n := &node{
		opts: o, metrics: metrics, lastMID: firstMID(time.Now()),
		byMID: make(map[midKey]*exchange), byToken: make(map[tokenKey]*delivery),
		lanes: make(map[laneKey]*lane),
	}
	n.clock.wake = make(chan struct{}, 1)
	n.memory.init(o.MaxExchanges, o.MaxExchangesPerPeer)
	n.transfers.init(maphash.MakeSeed())
	n.sessions.byAddr, n.sessions.candidates = make(map[netip.AddrPort]*session), make(map[netip.AddrPort]*session)
	n.pool.New = func() any { return new(effects) }
	if conf != nil {
		n.secure = &tlsOptions{config: conf}
	}
	return n, nil
}

func (n *node) listen(ctx context.Context, address string) error {
	if n.conn != nil {
		return nil
	}
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(ctx, "udp", address)
	if err != nil {
		return fmt.Errorf("coap: listen: %w", err)
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		_ = conn.Close()
		return fmt.Errorf("coap: listen: %s is not UDP", address)
	}
	bound, err := netip.ParseAddrPort(udp.LocalAddr().String())
	if err != nil {
		_ = conn.Close()
		return fmt.Errorf("coap: listen: %w", err)
	}
	n.conn, n.local = udp, netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port())
	return nil
}

func (n *node) addr(configured string) string {
	if n.conn == nil {
		return configured
	}
	return n.conn.LocalAddr().String()
}

// run serves the socket until serve returns. Then it closes everything and
// waits for its goroutines: the reader, the clock, and those of sessions and
// Links.
func (n *node) run(ctx context.Context, h mtp.Handler, serve func(ctx context.Context) error) error {
	n.handler, n.draining, n.sessions.closed = h, false, false
	n.ctx, n.cancel = context.WithCancel(context.WithoutCancel(ctx))
	n.wg.Go(func() { n.keepTime(n.ctx) })
	n.wg.Go(n.read)
	err := serve(ctx)
	n.closeSessions()
	n.cancel()
	if errClose := n.conn.Close(); err == nil && errClose != nil && !errors.Is(errClose, net.ErrClosed) {
		err = fmt.Errorf("coap: close: %w", errClose)
	}
	n.wg.Wait()
	n.conn = nil
	return err
}

// read takes datagrams until the socket is closed. No datagram ends it.
func (n *node) read() {
	var d decoder
	buf := make([]byte, n.opts.MaxDatagram+1)
	for failures := 0; ; {
		size, from, err := n.conn.ReadFromUDPAddrPort(buf)
		if err == nil {
			failures = 0
			w := way{addr: netip.AddrPortFrom(from.Addr().Unmap(), from.Port())}
			if n.secure != nil {
				n.demultiplex(w.addr, buf[:size])
			} else {
				n.receive(w, buf[:size], &d)
			}
			continue
		}
		if n.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return
		}
		if failures++; failures == 1 {
			n.opts.Log.Warn("reading from the socket failed", zap.Error(err))
		}
		n.rest(min(failures, 100))
	}
}

// rest waits some milliseconds after a failure of the socket.
func (n *node) rest(ms int) {
	t := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-n.ctx.Done():
	}
}

// receive takes one datagram. A panic below it costs that datagram only.
func (n *node) receive(w way, data []byte, d *decoder) {
	defer n.recovered()
	fx := n.begin()
	defer n.end(fx)
	if len(data) > n.opts.MaxDatagram {
		n.oversized(fx, w, data, d)
		return
	}
	m, err := d.decode(data)
	if err != nil {
		n.metrics.Received(mtp.ErrMalformed)
		if mid, ok := resettable(data); ok {
			fx.empty(w, typeReset, mid)
		}
		return
	}
	n.dispatch(fx, w, m, data)
}

// recovered is deferred where a datagram comes in.
func (n *node) recovered() {
	if p := recover(); p != nil {
		n.opts.Log.Error("panic", zap.Any("panic", p), zap.StackSkip("stack", 1))
	}
}

// effects collects under the lock what is done without it: datagrams to write,
// Links with outcomes to tell. It is scratch space, too.
type effects struct {
	n       *node
	buf     []byte
	sends   []send
	links   []*link
	scratch []byte
	opts    [maxOptions]option
}

// send is a datagram in effects.buf.
type send struct {
	way        way
	start, end int
}

// begin locks the node; end follows.
func (n *node) begin() *effects {
	fx, _ := n.pool.Get().(*effects)
	fx.n = n
	n.mu.Lock()
	return fx
}

// end unlocks the node and does what has been collected.
func (n *node) end(fx *effects) {
	n.mu.Unlock()
	for _, s := range fx.sends {
		n.write(s.way, fx.buf[s.start:s.end])
	}
	for _, l := range fx.links {
		l.settle()
	}
	clear(fx.links)
	fx.buf, fx.sends, fx.links, fx.scratch = fx.buf[:0], fx.sends[:0], fx.links[:0], fx.scratch[:0]
	n.pool.Put(fx)
}

// write sends a datagram. That it got lost, here or on the way, is noticed by
// its retransmission.
func (n *node) write(w way, b []byte) {
	if w.session != nil {
		w.session.send(b)
		return
	}
	_, _ = n.conn.WriteToUDPAddrPort(b, w.addr)
}

// localFor is the address under which the host at remote can reach us.
func (n *node) localFor(remote netip.Addr) netip.Addr {
	if !n.local.Addr().IsUnspecified() {
		return n.local.Addr()
	}
	// Nothing is sent: the kernel chooses the source address.
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(remote, portPlain)))
	if err != nil {
		return n.local.Addr()
	}
	defer func() { _ = conn.Close() }()
	a, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return n.local.Addr()
	}
	return a.AddrPort().Addr().Unmap()
}
