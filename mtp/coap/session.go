// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
)

// sessionState says how far a session is.
type sessionState uint8

const (
	sessionShaking sessionState = iota
	sessionUp
	sessionGone
)

// session is one DTLS association [R-COAP.14]. Requests go both ways over it.
type session struct {
	n      *node
	addr   netip.AddrPort
	client bool // we began it
	conn   *dtls.Conn
	pipe   *pipe
	up     chan struct{} // closed when the handshake has ended
	err    error         // of the handshake; good after up
	heard  atomic.Int64  // Unix seconds

	state    sessionState
	links    int // whose latest Record came over it
	timer    timer
	proof    proof
	proved   bool // the peer has shown a certificate that was verified
	identity mtp.Identity
}

// sessions are all of a node. A candidate is the handshake of a peer that has
// a session already, and takes its place when it succeeds [RFC 6347 4.2.8].
type sessions struct {
	byAddr     map[netip.AddrPort]*session
	candidates map[netip.AddrPort]*session
	shaking    int
	closed     bool // none is to come up any more
}

func (s *session) alive() bool { return s.state == sessionUp }

// send writes one datagram.
func (s *session) send(b []byte) { _, _ = s.conn.Write(b) } // loss is noticed by retransmission

// DTLS content types and handshake types [RFC 5246 6.2.1, 7.4].
const (
	contentChangeCipherSpec = 20
	contentAlert            = 21
	contentHandshake        = 22
	contentApplication      = 23
	recordHeader            = 13
	typeClientHello         = 1
)

// flight is what the records of a datagram show without their keys.
type flight struct {
	hello bool // it begins with a ClientHello
	plain bool // it has records of epoch 0
	other bool // it has such records that are no part of a handshake
	epoch bool // it has encrypted records
}

// inspect reads the headers of the records in a datagram; false if it is no
// DTLS. What passes it the library takes without giving up the session.
func inspect(b []byte) (f flight, ok bool) {
	for first := true; len(b) > 0; first = false {
		if len(b) <= recordHeader || b[1] != 0xfe || b[2] != 0xff && b[2] != 0xfd {
			return f, false
		}
		size := int(binary.BigEndian.Uint16(b[11:]))
		if size == 0 || len(b) < recordHeader+size {
			return f, false
		}
		content, fragment := b[0], b[recordHeader:recordHeader+size]
		if content < contentChangeCipherSpec || content > contentApplication {
			return f, false
		}
		if binary.BigEndian.Uint16(b[3:]) > 0 {
			f.epoch = true
		} else {
			f.plain = true
			f.hello = f.hello || first && content == contentHandshake && fragment[0] == typeClientHello
			f.other = f.other || content == contentAlert || content == contentApplication ||
				content == contentChangeCipherSpec && (size != 1 || fragment[0] != 1)
			if content == contentAlert && size != 2 || content == contentApplication {
				return f, false
			}
		}
		b = b[recordHeader+size:]
	}
	return f, f.plain || f.epoch
}

// demultiplex gives a datagram to its session, or begins one.
func (n *node) demultiplex(addr netip.AddrPort, b []byte) {
	f, ok := inspect(b)
	if !ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	s, c := n.sessions.byAddr[addr], n.sessions.candidates[addr]
	switch {
	case s == nil && f.hello:
		if s = n.acceptSession(addr); s != nil {
			n.sessions.byAddr[addr] = s
			s.pipe.feed(b)
		}
	case s == nil:
	case s.state == sessionShaking:
		if !s.client || !f.hello {
			s.pipe.feed(b)
		}
	case f.other: // nobody has proved to have sent it
	default:
		if c == nil && f.hello {
			if c = n.acceptSession(addr); c != nil {
				n.sessions.candidates[addr] = c
			}
		}
		if c != nil {
			c.pipe.feed(b)
		}
		if f.epoch || c == nil {
			s.pipe.feed(b)
		}
	}
}

// acceptSession begins a session that the peer has asked for; nil if there is
// no room.
func (n *node) acceptSession(addr netip.AddrPort) *session {
	if n.draining || !n.sessionRoom() {
		n.metrics.Rejected(mtp.RejectConnections)
		return nil
	}
	s := n.newSession(addr)
	n.wg.Go(func() {
		conf, err := n.secure.server(n.local, addr, &s.proof)
		if err == nil {
			s.conn, err = dtls.Server(s.pipe, s.pipe.RemoteAddr(), conf) //nolint:staticcheck // one configuration per session
		}
		s.run(err)
	})
	return s
}

func (n *node) sessionRoom() bool {
	ss := &n.sessions
	return !ss.closed && len(ss.byAddr)+len(ss.candidates) < n.opts.MaxSessions && ss.shaking < n.opts.MaxHandshakes
}

func (n *node) newSession(addr netip.AddrPort) *session {
	s := &session{n: n, addr: addr, pipe: newPipe(n, addr), up: make(chan struct{})}
	n.sessions.shaking++
	return s
}

// openSession returns the session with addr, and begins one if there is none.
func (n *node) openSession(ctx context.Context, addr netip.AddrPort, host string) (*session, error) {
	n.mu.Lock()
	s := n.sessions.byAddr[addr]
	if s == nil {
		if !n.sessionRoom() {
			n.mu.Unlock()
			return nil, fmt.Errorf("%w: too many", errNoSession)
		}
		s = n.newSession(addr)
		s.client = true
		n.sessions.byAddr[addr] = s
		n.wg.Go(func() { //nolint:contextcheck // the session outlives who has asked for it
			var err error
			conf := n.secure.client(host, &s.proof)
			s.conn, err = dtls.Client(s.pipe, s.pipe.RemoteAddr(), conf) //nolint:staticcheck // one configuration per session
			s.run(err)
		})
	}
	n.mu.Unlock()
	select {
	case <-s.up:
		if s.err != nil {
			return nil, s.err
		}
		return s, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errNoSession, ctx.Err())
	}
}

// run is the goroutine of a session: handshake, then datagram after datagram.
func (s *session) run(err error) {
	if err == nil {
		ctx, cancel := context.WithTimeout(s.n.ctx, s.n.opts.HandshakeTimeout)
		err = s.conn.HandshakeContext(ctx)
		cancel()
	}
	if err == nil {
		s.identity, s.proved = s.proof.identity(s.client)
		if s.proved && !s.client && len(s.identity.IDs) == 0 {
			s.n.metrics.Rejected(mtp.RejectIdentity)
			err = fmt.Errorf("coap: the certificate names no Endpoint ID: %w", mtp.ErrForbidden) // [R-SEC.0a]
		}
	} else {
		s.n.metrics.Rejected(mtp.RejectHandshake)
	}
	if err = s.shook(err); err == nil {
		s.read()
	} else if s.n.ctx.Err() == nil {
		s.n.opts.Log.Debug("DTLS handshake failed", zap.Stringer("remote", s.addr), zap.Error(err))
	}
	s.over()
	if s.conn != nil {
		_ = s.conn.Close() // it is over either way
	}
	_ = s.pipe.Close()
}

// shook ends the handshake.
func (s *session) shook(err error) error {
	fx := s.n.begin()
	defer s.n.end(fx)
	ss := &s.n.sessions
	ss.shaking--
	if err == nil && ss.closed {
		err = errNoSession
	}
	if s.err = err; err == nil {
		s.state = sessionUp
		s.heard.Store(time.Now().Unix())
		if ss.candidates[s.addr] == s {
			delete(ss.candidates, s.addr)
			if old := ss.byAddr[s.addr]; old != nil {
				s.n.endSession(fx, old)
			}
			ss.byAddr[s.addr] = s
		}
		if s.n.opts.Idle > 0 {
			s.n.clock.arm(&s.timer, s, s.n.opts.Idle)
		}
	}
	close(s.up)
	return err
}

// read takes datagrams until the session ends. An error that is not its end
// was one datagram.
func (s *session) read() {
	var d decoder
	buf := make([]byte, s.n.opts.MaxDatagram+1)
	for {
		size, err := s.conn.Read(buf)
		switch {
		case err == nil:
			s.heard.Store(time.Now().Unix())
			s.n.receive(way{s.addr, s}, buf[:size], &d)
		case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, dtls.ErrConnClosed),
			s.n.ctx.Err() != nil:
			return
		}
	}
}

// over forgets the session.
func (s *session) over() {
	fx := s.n.begin()
	defer s.n.end(fx)
	s.n.endSession(fx, s)
}

// endSession takes a session out of use. What was on its way over it fails.
func (n *node) endSession(fx *effects, s *session) {
	if s.state == sessionGone {
		return
	}
	was := s.state
	s.state = sessionGone
	n.clock.disarm(&s.timer)
	if n.sessions.byAddr[s.addr] == s {
		delete(n.sessions.byAddr, s.addr)
	}
	if n.sessions.candidates[s.addr] == s {
		delete(n.sessions.candidates, s.addr)
	}
	if was == sessionUp {
		for _, l := range n.lanes {
			if l.ready && l.to.session == s {
				l.fail(fx, errNoSession)
			}
		}
		n.role.sessionGone(fx, s)
		n.wg.Go(func() { _ = s.conn.Close() })
	}
}

// expire implements expirer: the session may be idle.
func (s *session) expire(fx *effects) {
	quiet := time.Since(time.Unix(s.heard.Load(), 0))
	if idle := s.n.opts.Idle; quiet < idle {
		s.n.clock.arm(&s.timer, s, idle-quiet)
		return
	}
	s.n.endSession(fx, s)
}

// closeSessions says good-bye on all sessions.
func (n *node) closeSessions() {
	fx := n.begin()
	n.sessions.closed = true
	var all []*session
	for _, s := range n.sessions.byAddr {
		all = append(all, s)
	}
	for _, s := range n.sessions.candidates {
		all = append(all, s)
	}
	n.end(fx)
	for _, s := range all {
		select {
		case <-s.up:
			if s.err == nil {
				_ = s.conn.Close()
			}
		default: // its handshake ends with the node
		}
	}
}
