// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/listen"
	"github.com/uspgate/uspgate/usp"
)

// methodNone is the Identity.Method of clients that are taken at their word.
const methodNone = "none"

// errAuth is wrapped by the error of an AuthFunc.
var errAuth = errors.New("not authenticated")

// identify finds out who has sent the STOMP frame: by certificate, by the
// configured AuthFunc, or by its word.
func (l *link) identify(f *frame) error {
	o := &l.server.opts
	claim, err := f.kept(hdrEndpointID) // escaped or not [R-STOMP.4]
	if err == nil && strings.ContainsFunc(claim, unicode.IsControl) {
		err = violation("endpoint-id is no Endpoint ID")
	}
	if err != nil {
		return err
	}
	login := Login{
		Username: f.literal(hdrLogin), Password: f.literal(hdrPasscode), Host: f.literal(hdrHost),
		Endpoint: usp.EndpointID(claim), Remote: l.remote,
	}
	identity, err := l.authenticate(&login)
	if err != nil {
		return err
	}
	_, encrypted := l.conn.Conn.(*tls.Conn)
	l.peer = mtp.Peer{
		Kind: mtp.STOMP, Listener: o.Name, Remote: l.remote, Loopback: listen.Loopback(l.conn.Conn),
		Protected: encrypted,
		Endpoint:  login.Endpoint, Identity: identity, Shared: o.Shared,
		NoConnectRecords: o.NoConnectRecords, Order: o.Order, MaxHold: o.MaxHold,
	}
	if l.peer.Endpoint == "" {
		l.peer.Endpoint = identity.One()
	}
	if e := l.peer.Endpoint; e != "" && !identity.Allows(e) {
		return fmt.Errorf("authenticated as %v and claims to be %s: %w", identity.IDs, e, mtp.ErrForbidden)
	}
	if l.role = o.Role; l.role != usp.RoleUnknown {
		l.roleRank = roleConnected
	}
	l.trunk = o.Shared || identity.Any || len(identity.Patterns) > 0 || len(identity.IDs) > 0 && identity.One() == ""
	return nil
}

func (l *link) authenticate(login *Login) (mtp.Identity, error) {
	o := &l.server.opts
	identity := mtp.Identity{Method: methodNone} // a claim proves nothing
	if chain := l.certificates(); len(chain) > 0 {
		cert := chain[0]
		ids := mtp.CertificateIDs(cert) // [R-SEC.0a]
		if len(ids) == 0 {
			return identity, fmt.Errorf("the certificate names no Endpoint ID: %w", mtp.ErrForbidden)
		}
		identity = mtp.Identity{Method: "certificate", IDs: ids, Name: cert.Subject.String(), Chain: chain}
	} else if o.Auth != nil {
		var err error
		if identity, err = o.Auth(*login); err != nil {
			return identity, fmt.Errorf("%w: %w", errAuth, err)
		}
	} else if o.Shared && len(o.Patterns) == 0 {
		identity.Any = true
	}
	if len(o.Patterns) > 0 && !identity.Any {
		if identity.Method == methodNone && login.Endpoint != "" {
			identity.IDs = []usp.EndpointID{login.Endpoint} // beside its own
		}
		identity.Patterns = append(identity.Patterns[:len(identity.Patterns):len(identity.Patterns)], o.Patterns...)
	}
	return identity, nil
}

// certificate returns the client's certificate if it was verified, by the
// library or by a callback of the TLS configuration.
func (l *link) certificates() []*x509.Certificate {
	t, ok := l.conn.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	state, conf := t.ConnectionState(), l.server.opts.TLS
	callback := conf.VerifyPeerCertificate != nil || conf.VerifyConnection != nil
	if len(state.PeerCertificates) == 0 || len(state.VerifiedChains) == 0 && !callback {
		return nil
	}
	return mtp.Chain(&state)
}

// refusal is what a client is told whose STOMP frame is not accepted.
func refusal(err error) (text string, reason mtp.Reject) {
	if v, ok := errors.AsType[*violationError](err); ok {
		return v.text, mtp.RejectHandshake
	}
	switch {
	case errors.Is(err, mtp.ErrForbidden):
		return "not allowed for this Endpoint", mtp.RejectIdentity
	case errors.Is(err, mtp.ErrBusy):
		return "try again later", mtp.RejectHandshake
	default:
		return "login or passcode is wrong", mtp.RejectAuth
	}
}
