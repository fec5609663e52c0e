// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

var (
	errNoHandshake   = errors.New("uds: no Handshake in time")
	errOtherEndpoint = errors.New("uds: the peer is another Endpoint")
	errNotAllowed    = fmt.Errorf("uds: the peer process is not allowed here: %w", mtp.ErrForbidden)
	errNotThis       = fmt.Errorf("uds: the peer may not be this Endpoint: %w", mtp.ErrForbidden)
)

// handshake is what a connection goes through before it becomes a Link.
type handshake struct {
	opts   *LinkOptions
	client bool
	tls    *tls.Config    // nil: none
	want   usp.EndpointID // "": any
	auth   AuthFunc       // nil: none
	wire   *wire
	creds  Credentials
}

// admit starts the time that the handshake may take, checks the peer process and
// sets up TLS, within ctx.
func (h *handshake) admit(ctx context.Context) error {
	conn := h.wire.conn
	if err := conn.SetDeadline(time.Now().Add(h.opts.HandshakeTimeout)); err != nil {
		return &networkError{"handshake", err}
	}
	creds, err := peerCredentials(conn)
	h.creds = creds
	if uids, gids := h.opts.AllowUIDs, h.opts.AllowGIDs; len(uids)+len(gids) > 0 {
		if err != nil {
			return fmt.Errorf("%w: %w", errNotAllowed, err)
		}
		if !slices.Contains(uids, creds.UID) && !slices.Contains(gids, creds.GID) {
			return fmt.Errorf("%w: %v", errNotAllowed, creds)
		}
	}
	if h.tls == nil {
		return nil
	}
	secured := tls.Server(conn, h.tls)
	if h.client {
		secured = tls.Client(conn, h.tls)
	}
	if err := secured.HandshakeContext(ctx); err != nil {
		return &networkError{"TLS", err}
	}
	h.wire.conn = secured
	return nil
}

// await reads until the peer's Handshake and ignores Records and all else
// before it [R-UDS.15, R-UDS.20].
func (h *handshake) await() (usp.EndpointID, error) {
	for {
		f, err := h.wire.in.next()
		if err != nil {
			return "", timely(err)
		}
		switch f.kind {
		case fieldHandshake:
			return h.claim(f)
		case fieldError:
			return "", h.wire.in.peerError(f)
		case fieldRecord:
		}
		if err := h.wire.in.skip(f); err != nil {
			return "", timely(err)
		}
	}
}

// timely gives the deadline of the handshake its name.
func timely(err error) error {
	if isTimeout(err) {
		return fmt.Errorf("%w: %w", errNoHandshake, err)
	}
	return readError(err)
}

// claim reads the Endpoint ID in a Handshake [R-UDS.13].
func (h *handshake) claim(f field) (usp.EndpointID, error) {
	if f.size > maxEndpoint {
		return "", fmt.Errorf("uds: handshake: %w: %d bytes", errEndpoint, f.size)
	}
	value, err := h.wire.in.value(f)
	if err != nil {
		return "", timely(err)
	}
	id, err := claimed(value)
	if err != nil {
		return "", fmt.Errorf("uds: handshake: %w", err)
	}
	if h.want != "" && id != h.want {
		return "", fmt.Errorf("%w: %q, want %q", errOtherEndpoint, id, h.want)
	}
	return id, nil
}

// peer says who the peer is that claims to be id, or refuses it.
func (h *handshake) peer(id usp.EndpointID, remote string) (mtp.Peer, error) {
	identity, err := h.identity(id)
	if err != nil {
		return mtp.Peer{}, err
	}
	p := mtp.Peer{
		Kind: mtp.UDS, Listener: h.opts.Name, Remote: remote, Loopback: true, Protected: true,
		Endpoint: id, Role: h.opts.Role, Presents: h.opts.Presents, Shared: h.opts.Shared,
		NoConnectRecords: h.opts.NoConnectRecords, Order: h.opts.Order, Identity: identity,
		MaxHold: h.opts.MaxHold,
	}
	switch {
	case identity.Allows(id):
	case p.Shared:
		p.Endpoint = "" // it speaks for others, whoever it is itself
	default:
		return mtp.Peer{}, fmt.Errorf("%w: %q", errNotThis, id)
	}
	return p, nil
}

// identity bounds the peer: by what was proved, else it is taken at its word,
// which binds but proves nothing; and by the configuration.
func (h *handshake) identity(id usp.EndpointID) (mtp.Identity, error) {
	i, err := h.prove(id)
	if err != nil {
		return mtp.Identity{}, err
	}
	if i.Method == "" {
		i.Method = "handshake"
		if h.creds != (Credentials{}) {
			i.Name = "uid=" + strconv.FormatUint(uint64(h.creds.UID), 10)
		}
		if h.want != "" {
			i.IDs = []usp.EndpointID{h.want}
		}
	}
	merely := i.Method == "handshake" || h.client // a server's certificate names it, not who is behind
	switch {
	case h.opts.Shared:
		i.Patterns = slices.Concat(i.Patterns, h.opts.Patterns)
		i.Any = i.Any || merely && len(i.Patterns) == 0
	case !i.Any && len(i.IDs) == 0 && len(i.Patterns) == 0:
		i.Patterns = h.opts.Patterns
	}
	return i, nil
}

// prove returns the Identity in the certificate of the peer, else that of Auth,
// the zero one if neither is there.
func (h *handshake) prove(id usp.EndpointID) (mtp.Identity, error) {
	if chain := h.certificates(); len(chain) > 0 {
		cert := chain[0]
		if ids := h.named(cert); len(ids) > 0 {
			return mtp.Identity{Method: "certificate", IDs: ids, Name: cert.Subject.String(), Chain: chain}, nil
		}
		if !h.client && !h.opts.Shared && h.auth == nil {
			return mtp.Identity{}, fmt.Errorf("%w: the certificate names none [R-SEC.0a]", errNotThis)
		}
	}
	if h.auth == nil {
		return mtp.Identity{}, nil
	}
	identity, err := h.auth(h.creds, id)
	if err != nil {
		return mtp.Identity{}, fmt.Errorf("%w: %w", errNotAllowed, err)
	}
	return identity, nil
}

// named returns who a certificate says its bearer is; the DNS names of a server
// name the host.
func (h *handshake) named(cert *x509.Certificate) []usp.EndpointID {
	if h.client {
		return mtp.CertificateURNs(cert)
	}
	return mtp.CertificateIDs(cert)
}

// certificates returns that of the peer, with its chain, if it was verified, by the library or by
// a callback of the TLS configuration; a client that verifies nothing has been
// told to.
func (h *handshake) certificates() []*x509.Certificate {
	conn, ok := h.wire.conn.(*tls.Conn)
	if !ok {
		return nil
	}
	state := conn.ConnectionState()
	callback := h.tls.VerifyPeerCertificate != nil || h.tls.VerifyConnection != nil
	if len(state.PeerCertificates) == 0 || len(state.VerifiedChains) == 0 && !callback && !h.client {
		return nil
	}
	return mtp.Chain(&state)
}

// dismiss tells the peer of a handshake why it ends, if it can be told
// [R-UDS.21].
func (h *handshake) dismiss(cause error) {
	inTheClear := h.tls != nil && h.wire.conn == h.wire.raw // where TLS was to be
	if inTheClear || isNetwork(cause) || errors.Is(cause, errPeer) {
		return
	}
	l := &link{opts: h.opts, wire: h.wire}
	l.ending.Because(cause)
	l.goodbye()
}
