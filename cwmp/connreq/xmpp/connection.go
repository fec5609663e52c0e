// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package xmpp

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/stanza"
)

var (
	errTooMuch = errors.New("connreq/xmpp: the server sends more than MaxStanza at a time")
	errClosed  = errors.New("connreq/xmpp: the server has closed the connection")
)

// bounded is a connection of which at most left bytes are read until it is told
// that a stanza has ended, and which is closed where a write takes too long. The
// deadlines that mellium sets it takes back at once, and then nobody may have seen
// them.
type bounded struct {
	net.Conn
	max      int64
	left     atomic.Int64
	patience time.Duration // of a write
}

func (b *bounded) Read(p []byte) (int, error) {
	left := b.left.Load()
	if left <= 0 {
		return 0, errTooMuch
	}
	n, err := b.Conn.Read(p[:min(int64(len(p)), left)])
	b.left.Add(-int64(n))
	return n, err
}

// Write gives up with the connection, because what is written in part makes it
// useless.
func (b *bounded) Write(p []byte) (int, error) {
	stop := time.AfterFunc(b.patience, func() { _ = b.Close() })
	defer stop.Stop()
	return b.Conn.Write(p)
}

func (b *bounded) refill() { b.left.Store(b.max) }

// connection is one login at the server.
type connection struct {
	client  *Client
	bytes   *bounded
	session *xmpp.Session
	ended   context.Context //nolint:containedctx // that of the connection, which ends with it
	end     context.CancelCauseFunc
}

// connect dials, begins TLS and logs in.
func (c *Client) connect(ctx context.Context) (*connection, error) {
	handshake, cancel := context.WithTimeout(ctx, c.opts.HandshakeTimeout)
	defer cancel()
	raw, err := c.dial(handshake)
	if err != nil {
		return nil, fmt.Errorf("connreq/xmpp: dial: %w", err)
	}
	stop := context.AfterFunc(handshake, func() { _ = raw.Close() })
	defer stop()
	b := &bounded{Conn: raw, max: int64(c.opts.MaxStanza), patience: c.opts.Timeout}
	b.refill()
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.opts.TLS != nil {
		config = c.opts.TLS.Clone()
		config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	}
	if config.ServerName == "" {
		config.ServerName = c.self.Domainpart()
	}
	conn := net.Conn(b)
	if c.opts.DirectTLS {
		config.NextProtos = []string{"xmpp-client"}
		conn = tls.Client(b, config)
	}
	// SASL of mellium is never tried without TLS, and so the password never goes out
	// in the clear.
	s, err := xmpp.NewClientSession(handshake, c.self, conn, xmpp.StartTLS(config),
		xmpp.SASL("", c.opts.Password, sasl.ScramSha256, sasl.ScramSha1, sasl.Plain), bindResource())
	if err == nil && s.State()&(xmpp.Secure|xmpp.Authn) != xmpp.Secure|xmpp.Authn {
		err = errors.New("the server wants no TLS or no login")
	}
	if err == nil && !stop() {
		err = context.Cause(handshake)
	}
	if err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("connreq/xmpp: login: %w", err)
	}
	b.refill()
	k := &connection{client: c, bytes: b, session: s}
	k.ended, k.end = context.WithCancelCause(context.WithoutCancel(ctx))
	return k, nil
}

// dial connects with Addr, or with what DNS has.
func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	if c.opts.Addr != "" {
		return d.DialContext(ctx, "tcp", c.opts.Addr)
	}
	domain := c.self.Domainpart()
	_, list, err := net.DefaultResolver.LookupSRV(ctx, "xmpp-client", "tcp", domain)
	if err != nil || len(list) == 0 {
		return d.DialContext(ctx, "tcp", net.JoinHostPort(domain, "5222"))
	}
	var failed error
	for _, srv := range list[:min(len(list), 4)] {
		host := net.JoinHostPort(strings.TrimSuffix(srv.Target, "."), strconv.Itoa(int(srv.Port)))
		conn, err := d.DialContext(ctx, "tcp", host)
		if err == nil {
			return conn, nil
		}
		failed = err
	}
	return nil, failed
}

// run reads the connection and pings the server until either fails or ctx ends.
// It closes the connection.
func (k *connection) run(ctx context.Context) error {
	defer k.end(errClosed)
	done := make(chan error, 1)
	go func() {
		err := k.session.Serve(xmpp.HandlerFunc(func(xmlstream.TokenReadEncoder, *xml.StartElement) error {
			k.bytes.refill() // what nobody has asked for; requests are refused by mellium
			return nil
		}))
		if err == nil {
			err = errClosed
		}
		k.end(err) // and with it the requests that wait
		done <- err
	}()
	pings := time.NewTicker(k.client.opts.Ping)
	defer pings.Stop()
	for {
		select {
		case err := <-done:
			_ = k.bytes.Close()
			return err
		case <-pings.C:
			if k.ping(ctx) {
				continue
			}
			k.end(errors.New("connreq/xmpp: a ping was not answered"))
		case <-k.ended.Done():
		case <-ctx.Done():
			_ = k.bytes.SetDeadline(time.Now().Add(time.Second))
			_ = k.session.Close() // a word of farewell
		}
		k.end(errClosed)
		_ = k.bytes.Close()
		<-done
		return context.Cause(k.ended) //nolint:contextcheck // says why it has ended
	}
}

// ping asks the server for a sign of life.
func (k *connection) ping(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, k.client.opts.Timeout)
	defer cancel()
	_, err := k.ask(ctx, stanza.IQ{Type: stanza.GetIQ, To: k.client.self.Domain()}, &ping{})
	return err == nil
}
