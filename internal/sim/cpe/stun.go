// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/connreq/stun"
)

// Times and sizes of the STUN client.
const (
	stunPort    = 3478
	stunEvery   = 30 * time.Second
	stunRepeat  = 500 * time.Millisecond // of a request that nobody has answered
	stunLook    = 250 * time.Millisecond // how soon a change of the settings counts
	maxDatagram = 1500
)

// stunSettings are the parameters STUN* of ManagementServer.
type stunSettings struct {
	enabled            bool
	server             string // host:port
	username, password string
	every              time.Duration
}

// stunSettings reads them.
func (c *CPE) stunSettings(root *node) stunSettings {
	ms := c.model.Root() + "ManagementServer."
	get := func(name string) string { return c.text(root, ms+name) }
	on := get("STUNEnable")
	s := stunSettings{enabled: on == "1" || on == "true", username: get("STUNUsername"), password: get("STUNPassword")}
	host, port := get("STUNServerAddress"), get("STUNServerPort")
	if host == "" { // [TR-069 G.2.1.1]
		if u, err := url.Parse(get("URL")); err == nil {
			host = u.Hostname()
		}
	}
	if port == "" || port == "0" {
		port = strconv.Itoa(stunPort)
	}
	s.server = net.JoinHostPort(host, port)
	if s.every = seconds(get("STUNMinimumKeepAlivePeriod")); s.every <= 0 {
		s.every = stunEvery
	}
	return s
}

// startSTUN begins with STUN where it is wanted and not yet done. The caller has
// the lock.
func (c *CPE) startSTUN() {
	if !c.stunOn && c.stunSettings(c.root).enabled {
		c.stunOn = true
		c.spawn(c.stun)
	}
}

// stun keeps the binding with the STUN server and takes UDP Connection Requests
// on the same socket, while STUNEnable is true [TR-069 G.2].
func (c *CPE) stun(ctx context.Context) {
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.stunOn = false
	}()
	for ctx.Err() == nil {
		set := c.stunSettings(c.tree())
		if !set.enabled {
			return
		}
		if err := c.bound(ctx, set); err != nil && ctx.Err() == nil {
			c.log.Info("STUN", zap.Error(err))
			sleep(ctx, time.Second)
		}
	}
}

// binding is the socket of one spell of STUN.
type binding struct {
	c      *CPE
	set    stunSettings
	conn   *net.UDPConn
	server netip.AddrPort
	id     [16]byte
	due    time.Time
	sign   bool
}

// bound runs until the settings are others.
func (c *CPE) bound(ctx context.Context, set stunSettings) error {
	server, err := net.ResolveUDPAddr("udp", set.server)
	if err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(c.opts.ConnReqListen)
	if host == "" || c.opts.ConnReqListen == NoConnReq {
		host = "127.0.0.1"
	}
	pc, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", net.JoinHostPort(host, "0"))
	if err != nil {
		return err
	}
	conn, ok := pc.(*net.UDPConn)
	if !ok {
		return errors.Join(errors.New("sim/cpe: not a UDP socket"), pc.Close())
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	ap := server.AddrPort()
	b := &binding{c: c, set: set, conn: conn, server: netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())}
	buf := make([]byte, maxDatagram)
	for ctx.Err() == nil && c.stunSettings(c.tree()) == set {
		if now := time.Now(); !now.Before(b.due) {
			if err := b.ask(now); err != nil {
				return err
			}
		}
		_ = conn.SetReadDeadline(time.Now().Add(min(stunLook, time.Until(b.due))))
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if timeout := (net.Error)(nil); errors.As(err, &timeout) && timeout.Timeout() {
			continue
		}
		if err != nil {
			return err
		}
		b.read(buf[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
	}
	return nil
}

// ask sends a Binding Request [RFC 3489 8.1].
func (b *binding) ask(now time.Time) error {
	m := stun.Message{Type: stun.BindingRequest}
	_, _ = rand.Read(b.id[:]) // never fails
	m.ID = b.id
	m.Add(stun.ConnectionRequestBinding, []byte(stun.BindingValue))
	var key []byte
	if b.sign {
		m.Add(stun.Username, []byte(b.set.username))
		key = []byte(b.set.password)
	}
	b.due = now.Add(stunRepeat)
	_, err := b.conn.WriteToUDPAddrPort(m.Append(nil, key), b.server)
	return err
}

// read takes one datagram.
func (b *binding) read(d []byte, from netip.AddrPort) {
	if bytes.HasPrefix(d, []byte("GET ")) {
		b.c.udpCalled(d)
		return
	}
	m, err := stun.Parse(d)
	if err != nil || m.ID != b.id || from != b.server {
		return
	}
	switch m.Type {
	case stun.BindingError:
		if b.set.username != "" && !b.sign {
			b.sign, b.due = true, time.Now()
		}
	case stun.BindingResponse:
		v, _ := m.Get(stun.MappedAddress)
		mapped, ok := stun.ParseAddress(v)
		if v, isXOR := m.Get(stun.XORMappedAddress); !ok && isXOR {
			mapped, ok = stun.ParseXORAddress(v, m.ID)
		}
		if ok {
			b.due = time.Now().Add(b.set.every)
			b.mapped(netip.AddrPortFrom(mapped.Addr().Unmap(), mapped.Port()))
		}
	}
}

// mapped shows the address under which the CPE is seen.
func (b *binding) mapped(at netip.AddrPort) {
	local, err := netip.ParseAddrPort(b.conn.LocalAddr().String())
	ms := b.c.model.Root() + "ManagementServer."
	nat := err != nil || local != at
	if was, ok := b.c.Value(ms + "NATDetected"); ok && (was == "1" || was == "true") != nat {
		_ = b.c.SetValue(ms+"NATDetected", strconv.FormatBool(nat)) // it exists
	}
	if _, ok := b.c.Value(ms + "UDPConnectionRequestAddress"); ok {
		_ = b.c.SetValue(ms+"UDPConnectionRequestAddress", at.String())
	}
}

// udpCalled is a UDP Connection Request: GET with a signature in the query,
// which counts once [TR-069 G.2.2.3].
func (c *CPE) udpCalled(d []byte) {
	line, _, _ := strings.Cut(string(d), "\r\n")
	parts := strings.Fields(line)
	if len(parts) != 3 || !strings.HasPrefix(parts[2], "HTTP/1.") {
		return
	}
	u, err := url.Parse(parts[1])
	if err != nil {
		return
	}
	q := u.Query()
	ts, err := strconv.ParseUint(q.Get("ts"), 10, 63)
	if err != nil {
		return
	}
	username, password := c.connReqCredentials()
	h := hmac.New(sha1.New, []byte(password))
	h.Write([]byte(q.Get("ts") + q.Get("id") + q.Get("un") + q.Get("cn")))
	want, have := hex.EncodeToString(h.Sum(nil)), strings.ToLower(q.Get("sig"))
	if q.Get("un") != username || !hmac.Equal([]byte(want), []byte(have)) {
		return
	}
	c.mu.Lock()
	repeated := ts < c.udpTime || ts == c.udpTime && q.Get("id") == c.udpID
	if !repeated {
		c.udpTime, c.udpID = ts, q.Get("id")
	}
	c.mu.Unlock()
	if !repeated {
		c.client.Raise(cwmp.Event{Code: cwmp.EventConnectionRequest})
	}
}
