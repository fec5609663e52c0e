// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// agentsPath is below ServerOptions.Path; one Agent each follows.
const agentsPath = "/agents/"

// refusal is a handshake that ends with an HTTP status instead of 101.
type refusal struct {
	status int
	reason mtp.Reject
	text   string
}

func (e *refusal) Error() string { return e.text }

func refuse(status int, reason mtp.Reject, format string, args ...any) *refusal {
	return &refusal{status: status, reason: reason, text: fmt.Sprintf(format, args...)}
}

// admit decides on a handshake: who the peer is, and the headers of the answer.
func (s *Server) admit(r *http.Request) (mtp.Peer, http.Header, *refusal) {
	presents, ref := s.resource(r.URL.Path)
	if ref != nil {
		return mtp.Peer{}, nil, ref
	}
	if !offersSubprotocol(r.Header) { // [R-WS.12a]
		return mtp.Peer{}, nil, refuse(http.StatusBadRequest, mtp.RejectHandshake,
			"this is a USP WebSocket endpoint: offer the subprotocol %s", Subprotocol)
	}
	claimed, extended, ref := claimedEndpoint(r)
	if ref != nil {
		return mtp.Peer{}, nil, ref
	}
	p := mtp.Peer{
		Kind: mtp.WebSocket, Listener: s.opts.Name, Remote: r.RemoteAddr, Protected: r.TLS != nil,
		Endpoint: claimed, Role: s.opts.Role, Presents: presents,
		Shared: s.opts.Shared, NoConnectRecords: s.opts.NoConnectRecords, Order: s.opts.Order,
		MaxHold: s.opts.MaxHold,
	}
	if presents != "" {
		p.Role, p.Shared = usp.RoleController, false
	}
	if ref := s.identify(r, &p); ref != nil {
		return mtp.Peer{}, nil, ref
	}
	if p.Endpoint == "" && s.opts.RequireEndpoint {
		return mtp.Peer{}, nil, refuse(http.StatusBadRequest, mtp.RejectHandshake,
			"say who you are: ?eid=<Endpoint ID> [R-WS.10b]")
	}
	// The library sends the subprotocol if it is named canonically [R-WS.11].
	answer := http.Header{"Sec-Websocket-Protocol": {Subprotocol}}
	own := s.opts.Endpoint
	if presents != "" {
		own = presents
	}
	if extended && own != "" { // [R-WS.11a]
		answer[extensionHeader] = []string{extensionValue(own)}
	}
	return p, answer, nil
}

// resource returns the Agent that a path names, "" for the gateway's own. The
// path has been decoded once [R-WS.10c].
func (s *Server) resource(path string) (usp.EndpointID, *refusal) {
	rest, ok := strings.CutPrefix(path, s.opts.Path)
	if ok && (rest == "" || rest == "/") {
		return "", nil
	}
	name, isAgent := strings.CutPrefix(rest, agentsPath)
	if !ok || !isAgent || name == "" {
		return "", refuse(http.StatusNotFound, mtp.RejectHandshake, "no such resource")
	}
	id, err := claimed(name)
	if err != nil {
		return "", refuse(http.StatusNotFound, mtp.RejectHandshake, "%v", err)
	}
	return id, nil
}

// offersSubprotocol reports whether v1.usp is among the offered subprotocols.
func offersSubprotocol(h http.Header) bool {
	for _, line := range h.Values("Sec-Websocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(name) == Subprotocol {
				return true
			}
		}
	}
	return false
}

// claimedEndpoint returns who the peer says it is, in the query or in the
// deprecated extension, and whether the latter is there. Neither is needed
// [R-WS.11c].
func claimedEndpoint(r *http.Request) (id usp.EndpointID, extended bool, ref *refusal) {
	byQuery, err := queryEndpoint(r.URL.RawQuery)
	if err != nil {
		return "", false, refuse(http.StatusBadRequest, mtp.RejectHandshake, "%v", err)
	}
	byExtension, extended, err := extensionEndpoint(r.Header.Values("Sec-Websocket-Extensions"))
	if err != nil {
		return "", false, refuse(http.StatusBadRequest, mtp.RejectHandshake, "%v", err)
	}
	id, err = merge(byQuery, byExtension)
	if err != nil {
		return "", false, refuse(http.StatusBadRequest, mtp.RejectHandshake, "query and extension: %v", err)
	}
	return id, extended, nil
}

// identify proves who the peer is by certificate, else by Auth, else takes it
// at its word; and holds its claim against that [R-SEC.0a].
func (s *Server) identify(r *http.Request, p *mtp.Peer) *refusal {
	identity, ref := s.prove(r, p)
	if ref != nil {
		return ref
	}
	if p.Presents == "" {
		identity = bounded(identity, s.opts.Patterns, p.Shared)
	}
	p.Identity = identity
	if p.Endpoint == "" && !p.Shared {
		p.Endpoint = identity.One()
	}
	if p.Endpoint != "" && !identity.Allows(p.Endpoint) {
		return refuse(http.StatusForbidden, mtp.RejectIdentity,
			"authenticated, but not as %s", p.Endpoint)
	}
	return nil
}

func (s *Server) prove(r *http.Request, p *mtp.Peer) (mtp.Identity, *refusal) {
	if cert := s.certificate(r.TLS); cert != nil {
		ids := mtp.CertificateIDs(cert)
		if len(ids) > 0 || p.Shared {
			return mtp.Identity{
				Method: "certificate", IDs: ids, Name: certificateName(cert), Chain: mtp.Chain(r.TLS),
			}, nil
		}
		if s.opts.Auth == nil {
			return mtp.Identity{}, refuse(http.StatusForbidden, mtp.RejectIdentity,
				"the certificate names no Endpoint [R-SEC.0a]")
		}
	}
	if s.opts.Auth != nil {
		identity, err := s.opts.Auth(r)
		if user, _, basic := r.BasicAuth(); basic && identity.Name == "" {
			identity.Name = user
		}
		return identity, refusedAuth(err)
	}
	switch {
	case p.Shared:
		return mtp.Identity{Method: "none"}, nil
	case p.Endpoint != "":
		return mtp.Identity{Method: "handshake"}, nil // a claim binds, but proves nothing: no IDs
	default:
		return mtp.Identity{Method: "none"}, nil
	}
}

func refusedAuth(err error) *refusal {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mtp.ErrForbidden):
		return refuse(http.StatusForbidden, mtp.RejectAuth, "not allowed")
	case errors.Is(err, mtp.ErrBusy):
		return refuse(http.StatusServiceUnavailable, mtp.RejectAuth, "try again later")
	default:
		return refuse(http.StatusUnauthorized, mtp.RejectAuth, "authentication required")
	}
}

// certificate returns the client's certificate if it was verified, by the
// library or by a callback of the TLS configuration.
func (s *Server) certificate(state *tls.ConnectionState) *x509.Certificate {
	if state == nil || len(state.PeerCertificates) == 0 {
		return nil
	}
	callback := s.opts.TLS.VerifyPeerCertificate != nil || s.opts.TLS.VerifyConnection != nil
	if len(state.VerifiedChains) == 0 && !callback {
		return nil
	}
	return state.PeerCertificates[0]
}
