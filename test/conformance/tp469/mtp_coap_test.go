// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"net"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	coapmsg "github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
	"github.com/plgd-dev/go-coap/v3/udp/coder"

	"github.com/uspgate/uspgate/internal/pki/pkitest"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// coapConn is a Controller's end of CoAP: it posts to the gateway, and takes what the
// gateway posts to it. It is a line.
type coapConn struct {
	net.Conn

	t        *testing.T
	replyTo  string
	mid      int32
	answered map[string]codes.Code // by token
	records  []usp.Record
	body     []byte         // of the blocks so far
	posts    []coapPost     // everything that was posted, repetitions too
	taken    map[int32]bool // Message IDs that have been answered
	silent   int            // how many posts have no answer
}

// coapPost is one datagram of a POST.
type coapPost struct {
	mid    int32
	token  string
	format coapmsg.MediaType
	block  bool
}

func newCoAP(t *testing.T, conn net.Conn, scheme string) *coapConn {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(harness.Timeout)); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return &coapConn{
		Conn: conn, t: t, replyTo: scheme + "://127.0.0.1:" + port + "/controller",
		answered: make(map[string]codes.Code), taken: make(map[int32]bool),
	}
}

// coap starts a gateway that listens, and a Controller.
func (b *bench) coap() *coapConn {
	b.Helper()
	b.alone("mtp: [{name: north, type: coap, listen: \"127.0.0.1:0\", role: controller}]\n")
	return newCoAP(b.T, b.udp(), "coap")
}

// udp is a socket for the gateway's.
func (b *bench) udp() net.Conn {
	b.Helper()
	conn, err := (&net.Dialer{}).DialContext(b.Context(), "udp", b.gateway.Addr("north"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (c *coapConn) write(m *coapmsg.Message) {
	c.t.Helper()
	raw := make([]byte, 4<<10)
	n, err := coder.DefaultCoder.Encode(*m, raw)
	if err == nil {
		_, err = c.Write(raw[:n])
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// The options of a POST, in their order.
const (
	uriPath = iota
	contentFormat
	uriQuery
)

// post sends a Record as a Controller does, but for what edit changes, and returns the
// answer.
func (c *coapConn) post(body []byte, edit func(*coapmsg.Message)) codes.Code {
	c.t.Helper()
	c.mid++
	m := &coapmsg.Message{
		Type: coapmsg.Confirmable, MessageID: c.mid, Token: coapmsg.Token{byte(c.mid)}, Code: codes.POST, Payload: body,
		Options: coapmsg.Options{
			uriPath:       {ID: coapmsg.URIPath, Value: []byte("usp")},
			contentFormat: {ID: coapmsg.ContentFormat, Value: []byte{byte(coapmsg.AppOctets)}},
			uriQuery:      {ID: coapmsg.URIQuery, Value: []byte("reply-to=" + c.replyTo)},
		},
	}
	if edit != nil {
		edit(m)
	}
	c.write(m)
	for {
		if code, ok := c.answered[string(m.Token)]; ok {
			return code
		}
		c.step()
	}
}

func (c *coapConn) send(rec usp.Record) {
	c.t.Helper()
	if code := c.post(rec.Bytes(), nil); code != codes.Changed {
		c.t.Fatalf("got %v, want 2.04", code)
	}
}

func (c *coapConn) next() usp.Record {
	c.t.Helper()
	for len(c.records) == 0 {
		c.step()
	}
	rec := c.records[0]
	c.records = c.records[1:]
	return rec
}

// step takes one datagram.
func (c *coapConn) step() {
	c.t.Helper()
	buf := make([]byte, 8<<10)
	n, err := c.Read(buf)
	if err != nil {
		c.t.Fatal(err)
	}
	m := coapmsg.Message{Options: make(coapmsg.Options, 0, 16)}
	if _, err := coder.DefaultCoder.Decode(buf[:n], &m); err != nil {
		c.t.Fatal(err)
	}
	switch m.Code {
	case codes.POST:
		c.posted(&m)
	case codes.Empty: // the answer comes by itself
	default:
		c.answered[string(m.Token)] = m.Code
		if m.Type == coapmsg.Confirmable {
			c.write(&coapmsg.Message{Type: coapmsg.Acknowledgement, MessageID: m.MessageID, Code: codes.Empty})
		}
	}
}

// posted takes a Record, or a block of one, unless it is to be lost.
func (c *coapConn) posted(m *coapmsg.Message) {
	c.t.Helper()
	format, err := m.Options.ContentFormat()
	if err != nil {
		c.t.Errorf("got a POST without Content-Format: %v", err)
	}
	block, err := m.Options.GetUint32(coapmsg.Block1)
	c.posts = append(c.posts, coapPost{m.MessageID, string(m.Token), format, err == nil})
	if c.silent > 0 {
		c.silent--
		return
	}
	answer := &coapmsg.Message{
		Type: coapmsg.Acknowledgement, MessageID: m.MessageID, Token: m.Token, Code: codes.Changed,
	}
	if err == nil {
		value, _ := m.Options.GetBytes(coapmsg.Block1) // it is there
		answer.Options = coapmsg.Options{{ID: coapmsg.Block1, Value: value}}
	}
	more := block&8 != 0
	if more {
		answer.Code = codes.Continue
	}
	if !c.taken[m.MessageID] {
		c.taken[m.MessageID] = true
		if c.body = append(c.body, m.Payload...); !more {
			c.records = append(c.records, record(c.t, c.body))
			c.body = nil
		}
	}
	c.write(answer)
}

func case5_1(b *bench) {
	c := b.coap()
	b.answers(c, "5.1")
	for _, p := range c.posts {
		if p.format != coapmsg.AppOctets {
			b.Errorf("got Content-Format %v, want application/octet-stream", p.format)
		}
	}
}

func case5_2(b *bench) {
	c := b.coap()
	c.send(b.to("5.2", &uspmsg.Request{ReqType: &uspmsg.Request_Get{Get: &uspmsg.Get{ParamPaths: []string{"Device."}}}}))
	if m := b.answer(c, "5.2"); len(m.GetBody().GetResponse().GetGetResp().GetReqPathResults()) != 1 {
		b.Errorf("got %v, want a GetResp", m)
	}
	blocks := 0
	for _, p := range c.posts {
		if p.block {
			blocks++
		}
	}
	if blocks < 2 {
		b.Errorf("got %d blocks, want several", blocks)
	}
}

func case5_3(b *bench) {
	c := b.coap()
	if code := c.post(wire(b.to("5.3", getInfo())), nil); code != codes.Changed {
		b.Errorf("got %v, want 2.04", code)
	}
	b.informs(b.answer(c, "5.3"))
}

// The first message with the GetResp is lost, and comes again.
func case5_4(b *bench) {
	c := b.coap()
	b.answers(c, "5.4 before")
	c.posts = nil
	c.silent = 1
	b.answers(c, "5.4")
	if len(c.posts) < 2 || c.posts[0] != c.posts[1] {
		b.Errorf("got %+v, want the first message twice", c.posts)
	}
}

func case5_5(b *bench) {
	c := b.coap()
	code := c.post(wire(b.to("5.5", getInfo())), func(m *coapmsg.Message) { m.Code = codes.Code(6) })
	if code != codes.MethodNotAllowed {
		b.Errorf("got %v, want 4.05", code)
	}
	b.answers(c, "5.5 after")
}

func case5_6(b *bench) {
	c := b.coap()
	code := c.post(wire(b.to("5.6", getInfo())), func(m *coapmsg.Message) {
		m.Options[contentFormat].Value = []byte{0x11, 0x3a}
	})
	if code != codes.UnsupportedMediaType {
		b.Errorf("got %v, want 4.15", code)
	}
	b.answers(c, "5.6 after")
}

func case5_7(b *bench) {
	c := b.coap()
	if code := c.post([]byte{0xff, 0xff, 0xff}, nil); code != codes.BadRequest {
		b.Errorf("got %v, want 4.00", code)
	}
	b.answers(c, "5.7 after")
}

func case5_8(b *bench) {
	dir := b.TempDir()
	servers, clients := pkitest.NewAuthority(b, "servers"), pkitest.NewAuthority(b, "clients")
	cert, key := pkitest.WritePair(b, dir, "gateway", servers.Issue("self::gateway"))
	b.alone(`mtp:
  - name: north
    type: coap
    listen: "127.0.0.1:0"
    role: controller
    auth: {mode: certificate}
    tls: {cert: "` + cert + `", key: "` + key + `", client_ca: "` + pkitest.WriteCA(b, dir, "clients", clients) + `"}
`)
	to, err := net.ResolveUDPAddr("udp", b.gateway.Addr("north"))
	if err != nil {
		b.Fatal(err)
	}
	conn, err := dtls.DialWithOptions("udp", to,
		dtls.WithCertificates(clients.Issue(string(raw))), dtls.WithRootCAs(servers.Pool()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	b.answers(newCoAP(b.T, conn, "coaps"), "5.8")
}
