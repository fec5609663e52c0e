// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"
	"sync/atomic"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/proxied"
	"github.com/uspgate/uspgate/usp"
)

// virtualLink is the one Link behind which all Virtual Agents live: to the
// router they are Agents like any other. It lives as long as the gateway.
type virtualLink struct {
	host    *agent.Host
	gateway *proxied.Gateway // nil: there is none
	granted *granted         // nil: nobody is added to these Agents
	port    mtp.Port
	next    atomic.Uint64
}

var _ mtp.Link = (*virtualLink)(nil)

// attach introduces the Link to the router.
func (l *virtualLink) attach(r *routing.Router, h *agent.Host) error {
	l.host = h
	port, err := r.LinkUp(l, mtp.Peer{
		Kind: mtp.Virtual, Listener: "translate", Loopback: true, Role: usp.RoleAgent,
		Identity: mtp.Identity{Method: "none", Any: true}, Shared: true,
	})
	l.port = port
	return err
}

// bind makes a Virtual Agent reachable and shows it to the Controllers that the
// configuration gives it, and to those that were added to it [R-MTP.6]: the router takes
// the Connect Record in and makes one of the right MTP for every Link of theirs, now and
// later.
func (l *virtualLink) bind(id usp.EndpointID) error {
	if err := l.port.Bind(usp.Address{ID: id, Role: usp.RoleAgent}, mtp.Hint{}); err != nil {
		return err
	}
	for _, c := range l.host.ShownTo(id) {
		l.send(usp.NewWebSocketConnect(id, c))
	}
	for _, g := range l.host.Grants(id) {
		l.send(usp.NewWebSocketConnect(id, g.Controller))
	}
	return nil
}

// bindGateway makes the gateway Agent reachable, and shows it as bind does.
func (l *virtualLink) bindGateway(id usp.EndpointID, to []config.Controller) error {
	if err := l.port.Bind(usp.Address{ID: id, Role: usp.RoleAgent}, mtp.Hint{}); err != nil {
		return err
	}
	for _, c := range to {
		l.send(usp.NewWebSocketConnect(id, usp.EndpointID(c.EndpointID)))
	}
	for _, g := range l.host.Grants(id) {
		l.send(usp.NewWebSocketConnect(id, g.Controller))
	}
	return nil
}

// Enqueue implements mtp.Link. The Record is settled once the Agent has
// answered or journalled it.
func (l *virtualLink) Enqueue(rec usp.Record, _ mtp.Hint, t mtp.Token) error {
	deliver := l.host.Deliver
	if l.gateway != nil && rec.Header().To == l.gateway.EndpointID() {
		deliver = l.gateway.Deliver
	}
	err := deliver(rec, func(err error) { l.port.Settled(t, err) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, agent.ErrInboxFull):
		return mtp.ErrFull
	default:
		return mtp.ErrLinkDown
	}
}

// send hands a Record of an Agent to the router.
func (l *virtualLink) send(rec usp.Record) {
	if l.gateway != nil && rec.Header().To == l.gateway.EndpointID() {
		l.gateway.Notified(rec)
		return
	}
	if h := rec.Header(); l.granted != nil && h.Type.IsConnect() {
		l.granted.shown(h.To, l.host)
	}
	l.port.Accept(rec, mtp.Hint{}, mtp.Token(l.next.Add(1)))
}

// Ack implements mtp.Link. What became of a Notify the Agent learns from its
// NotifyResp, and an answer that finds nobody is of no use to anybody.
func (l *virtualLink) Ack(mtp.Token, error) {}

// Close implements mtp.Link; the Agents stay.
func (l *virtualLink) Close(error) {}
