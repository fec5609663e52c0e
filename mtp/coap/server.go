// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Server is the server role: an mtp.Transport on one UDP socket, whose Links
// are the Endpoints that have sent a Record to it. The same socket sends.
type Server struct {
	opts   ServerOptions
	node   *node
	links  map[usp.EndpointID]*link
	byAddr map[netip.Addr]int // Links
	shared *link
	empty  chan struct{} // closed when draining and no Link is left
}

// NewServer checks o and allocates; Listen binds, Run serves.
func NewServer(o ServerOptions) (*Server, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	s := &Server{opts: o}
	n, err := newNode(&s.opts.LinkOptions, o.TLS)
	if err != nil {
		return nil, err
	}
	if n.secure != nil {
		n.secure.byEndpoint = true
	}
	n.role, s.node = s, n
	return s, nil
}

// Name implements mtp.Transport.
func (s *Server) Name() string { return s.opts.Name }

// Listen implements mtp.Transport.
func (s *Server) Listen(ctx context.Context) error { return s.node.listen(ctx, s.opts.Listen) }

// Addr implements mtp.Transport.
func (s *Server) Addr() string { return s.node.addr(s.opts.Listen) }

// Run implements mtp.Transport. It calls Listen if nobody has. When ctx ends it
// takes nothing more and closes every Link with mtp.ErrDraining, which takes at
// most CloseTimeout.
func (s *Server) Run(ctx context.Context, h mtp.Handler) error {
	if err := s.Listen(ctx); err != nil {
		return err
	}
	s.links, s.byAddr = make(map[usp.EndpointID]*link), make(map[netip.Addr]int)
	s.empty = make(chan struct{})
	return s.node.run(ctx, h, s.serve)
}

// serve has the node run until ctx ends, and drains.
func (s *Server) serve(ctx context.Context) error {
	n := s.node
	if s.opts.Shared {
		n.mu.Lock()
		s.shared = n.newLink(s.peer("", n.local, mtp.Identity{
			Method: "none", Patterns: s.opts.Patterns, Any: len(s.opts.Patterns) == 0,
		}), nil)
		s.shared.shared, s.shared.peer.Shared = true, true
		s.shared.kick()
		n.mu.Unlock()
	}
	<-ctx.Done()
	fx := n.begin()
	n.draining = true
	for _, l := range s.links {
		l.shut(mtp.ErrDraining)
	}
	if s.shared != nil {
		s.shared.shut(mtp.ErrDraining)
	}
	s.checkEmpty()
	n.end(fx)
	<-s.empty
	return nil
}

// checkEmpty closes empty when no Link is left.
func (s *Server) checkEmpty() {
	if s.node.draining && len(s.links) == 0 && s.shared == nil {
		close(s.empty)
	}
}

// peer is what is known of an Endpoint.
func (s *Server) peer(id usp.EndpointID, remote netip.AddrPort, who mtp.Identity) mtp.Peer {
	return mtp.Peer{
		Kind: mtp.CoAP, Listener: s.opts.Name, Remote: remote.String(), Loopback: remote.Addr().IsLoopback(),
		Endpoint: id, Role: s.opts.Role, Identity: who, Order: s.opts.Order,
		MaxHold: s.opts.MaxHold, Acks: true, Protected: who.Method == "certificate",
	}
}

// link implements role: Links are keyed by Endpoint, not by address.
func (s *Server) link(r *request) (*link, error) {
	from := r.rec.Header().From
	who := mtp.Identity{Method: "none"}
	proved := r.way.session != nil && r.way.session.proved
	if proved {
		who = r.way.session.identity
	}
	who.Patterns = s.opts.Patterns
	if !who.Allows(from) {
		s.node.metrics.Rejected(mtp.RejectIdentity)
		return nil, fmt.Errorf("the peer may not speak for %q: %w", from, mtp.ErrForbidden) // [R-SEC.4c]
	}
	l := s.links[from]
	if l == nil {
		return s.enter(r, usp.EndpointID(strings.Clone(string(from))), who)
	}
	return l, s.follow(l, r, proved)
}

// enter makes the Link of an Endpoint that has none.
func (s *Server) enter(r *request, id usp.EndpointID, who mtp.Identity) (*link, error) {
	addr := r.way.addr.Addr()
	switch {
	case s.opts.MaxPeers > 0 && len(s.links) >= s.opts.MaxPeers:
		s.node.metrics.Rejected(mtp.RejectConnections)
		return nil, mtp.ErrBusy
	case s.opts.MaxPeersPerAddress > 0 && s.byAddr[addr] >= s.opts.MaxPeersPerAddress:
		s.node.metrics.Rejected(mtp.RejectAddress)
		return nil, mtp.ErrBusy
	}
	l := s.node.newLink(s.peer(id, r.way.addr, who), nil)
	s.links[id] = l
	s.byAddr[addr]++
	s.learn(l, r)
	return l, nil
}

// follow takes the address of a Record as that of a Link that there is. On
// plain UDP an address is only a claim: while the one before speaks, another
// host is not believed.
func (s *Server) follow(l *link, r *request, proved bool) error {
	certified := l.peer.Identity.Method == "certificate"
	moved := r.way.addr.Addr() != l.source.Addr()
	switch {
	case l.state != linkOpen:
		return mtp.ErrBusy
	case certified && !proved:
		s.node.metrics.Rejected(mtp.RejectIdentity)
		return fmt.Errorf("the Endpoint has a certificate elsewhere: %w", mtp.ErrForbidden)
	case proved && !certified:
		l.shut(mtp.ErrReplaced) // who has proved it gets a Link of its own, when it sends again
		return mtp.ErrBusy
	case moved && !proved && s.opts.MoveAfter > 0 && time.Since(l.heard) < s.opts.MoveAfter:
		s.node.metrics.Rejected(mtp.RejectIdentity)
		s.opts.Log.Debug("another address for a live Endpoint", zap.Stringer("remote", r.way.addr))
		return mtp.ErrBusy
	}
	if moved {
		s.leave(l.source.Addr())
		s.byAddr[r.way.addr.Addr()]++
	}
	s.learn(l, r)
	return nil
}

// learn notes where the Endpoint is and where it wants its Records.
func (s *Server) learn(l *link, r *request) {
	l.source = r.way.addr
	if l.session != r.way.session {
		l.useSession(r.way.session)
	}
	if r.replyTo == l.replyTo {
		r.replyTo = l.replyTo // one string for all
		return
	}
	r.target.prepare()
	l.dest, l.replyTo, r.rebind = r.target, r.replyTo, true
}

func (s *Server) leave(addr netip.Addr) {
	if s.byAddr[addr]--; s.byAddr[addr] <= 0 {
		delete(s.byAddr, addr)
	}
}

// identify implements role.
func (s *Server) identify(l *link) error {
	if l.shared || l.peer.Identity.Method == "certificate" || s.opts.Auth == nil {
		return nil
	}
	claim := Claim{Endpoint: l.peer.Endpoint}
	claim.Remote, _ = netip.ParseAddrPort(l.peer.Remote)
	who, err := s.opts.Auth(claim)
	if err == nil && !who.Allows(l.peer.Endpoint) {
		err = mtp.ErrForbidden
	}
	if err != nil {
		s.node.metrics.Rejected(mtp.RejectAuth)
		return fmt.Errorf("%w: %w", mtp.ErrForbidden, err)
	}
	l.peer.Identity = who
	return nil
}

// gone implements role.
func (s *Server) gone(l *link) {
	if l == s.shared {
		s.shared = nil
	} else if s.links[l.peer.Endpoint] == l {
		delete(s.links, l.peer.Endpoint)
		s.leave(l.source.Addr())
		l.useSession(nil)
	}
	s.checkEmpty()
}

// sessionGone implements role: a peer is reached by its reply-to, whatever
// became of the session that it opened.
func (s *Server) sessionGone(*effects, *session) {}

// expires implements role.
func (s *Server) expires(l *link) bool { return !l.shared }

// interfaces implements role.
func (s *Server) interfaces() string { return interfacesOf(s.opts.Role) }

// interfacesOf are the values of if= for the counterpart of peers with that
// role [R-COAP.1].
func interfacesOf(peers usp.Role) string {
	switch peers {
	case usp.RoleAgent:
		return "bbf.usp.c"
	case usp.RoleController:
		return "bbf.usp.a"
	default:
		return "bbf.usp.a bbf.usp.c"
	}
}
