// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// Sessions returns what decides about the CWMP sessions of CPE that are connected
// to this node. A device is served by the node that owns the address of its
// Virtual Agent: by local at that node, also for CPE that are connected to
// another one. What nobody owns, or somebody dead, is claimed first.
//
// If the owner dies in the middle, the session ends as it does when the Handler
// fails: with 503, and the CPE comes again.
func (n *Node) Sessions(local acs.Handler, address func(cwmp.DeviceID) usp.Address) acs.Handler {
	n.cwmp.set(local, address)
	return &sessions{n: n, local: local, address: address}
}

type sessions struct {
	n       *Node
	local   acs.Handler
	address func(cwmp.DeviceID) usp.Address
}

// errNotOwner: the device is another node's by now.
var (
	errNotOwner  = errors.New("cluster: another node owns the device")
	errNoSession = errors.New("cluster: no such session")
)

// openTries is how often the owner of a device is looked for.
const openTries = 4

// Open implements acs.Handler.
func (s *sessions) Open(ctx context.Context, in *cwmp.Inform, info acs.Info) (acs.Session, error) {
	a := s.address(in.DeviceID)
	var err error
	for range openTries {
		var own routing.Ownership
		own, err = s.n.ownerOf(ctx, a)
		switch {
		case err != nil:
		case own.Node == s.n.o.Name:
			return s.local.Open(ctx, in, info) //nolint:wrapcheck // the Handler's
		default:
			var session acs.Session
			session, err = s.n.openAt(ctx, own.Node, in, info)
			if !retried(err) {
				return session, err
			}
		}
		if !pause(ctx, openAgain) {
			break
		}
	}
	return nil, fmt.Errorf("cluster: no node for the session: %w", err)
}

// openAgain is the pause before the owner is looked for once more.
const openAgain = 50 * time.Millisecond

// retried reports whether another node may own the device by now.
func retried(err error) bool {
	var remote remoteError
	return errors.Is(err, errPeerGone) || errors.Is(err, ErrNoNode) || errors.Is(err, errStreamGone) ||
		errors.As(err, &remote) && string(remote) == errNotOwner.Error()
}

// ownerOf returns who owns a, this node if nobody has: it claims it then.
func (n *Node) ownerOf(ctx context.Context, a usp.Address) (routing.Ownership, error) {
	if own := n.owners.Owner(a); own.Mine || own.Alive && own.Node != n.o.Name {
		return own, nil
	}
	type outcome struct {
		own routing.Ownership
		err error
	}
	claimed := make(chan outcome, 1)
	n.owners.Claim(a, nil, func(own routing.Ownership, err error) { claimed <- outcome{own, err} })
	select {
	case o := <-claimed:
		if errors.Is(o.err, routing.ErrKept) {
			return n.owners.Owner(a), nil
		}
		return o.own, o.err
	case <-ctx.Done():
		return routing.Ownership{}, context.Cause(ctx) //nolint:wrapcheck // the caller's
	}
}

// openAt opens a session at another node.
func (n *Node) openAt(ctx context.Context, node string, in *cwmp.Inform, info acs.Info) (acs.Session, error) {
	m, lives := n.member(node)
	if !lives {
		return nil, errPeerGone
	}
	s := &remoteSession{n: n, to: holderKey{node, m.epoch}, id: rand.Text(), namespace: info.Namespace}
	data, err := appendOpen(nil, s.id, in, &info)
	if err != nil {
		return nil, err
	}
	reply, err := n.rpc.call(ctx, s.to, rpcOpen, data)
	if err != nil {
		return nil, err
	}
	if len(reply) > 0 { // a Fault
		m, err := decodeMessage(reply)
		if err != nil {
			return nil, err
		}
		if f, ok := m.(*cwmp.Fault); ok {
			return nil, f
		}
		return nil, errStreamFrame
	}
	return s, nil
}

// remoteSession is a session that another node serves.
type remoteSession struct {
	n         *Node
	to        holderKey
	id        string
	namespace string
}

var _ acs.Session = (*remoteSession)(nil)

// call sends a message of the CPE and returns the answer; both may be nil.
func (s *remoteSession) call(ctx context.Context, kind rpcKind, m cwmp.Message) (cwmp.Message, error) {
	data, err := appendMessage(appendString(nil, s.id), s.namespace, m)
	if err != nil {
		return nil, err
	}
	reply, err := s.n.rpc.call(ctx, s.to, kind, data)
	if err != nil {
		return nil, err
	}
	return decodeMessage(reply)
}

// Request implements acs.Session.
func (s *remoteSession) Request(ctx context.Context, req cwmp.Request) (cwmp.Response, error) {
	m, err := s.call(ctx, rpcRequest, req)
	if err != nil {
		return nil, err
	}
	resp, ok := m.(cwmp.Response)
	if !ok {
		return nil, errStreamFrame
	}
	return resp, nil
}

// Next implements acs.Session.
func (s *remoteSession) Next(ctx context.Context, last cwmp.Response) (cwmp.Request, error) {
	var sent cwmp.Message
	if last != nil {
		sent = last
	}
	m, err := s.call(ctx, rpcNext, sent)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, io.EOF
	}
	req, ok := m.(cwmp.Request)
	if !ok {
		return nil, errStreamFrame
	}
	return req, nil
}

// closeTimeout bounds how long the owner is waited for at the end of a session.
const closeTimeout = 2 * time.Second

// Close implements acs.Session.
func (s *remoteSession) Close(cause error) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	// If it does not get there the stream is over, and so is the session.
	_, _ = s.n.rpc.call(ctx, s.to, rpcClose, append(appendString(nil, s.id), causeOf(cause)))
}
