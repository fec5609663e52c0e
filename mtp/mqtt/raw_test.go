// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

const (
	v5   = 5
	v311 = 4
)

// str is a UTF-8 string as MQTT writes it.
func str(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
}

// packet is a control packet with this first byte.
func packet(first byte, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	out := []byte{first}
	n := len(body)
	for ; n > 0x7f; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return append(append(out, byte(n)), body...)
}

// props are the properties of MQTT 5.
func props(list ...[]byte) []byte {
	body := bytes.Join(list, nil)
	return append(binary.AppendUvarint(nil, uint64(len(body))), body...)
}

func prop(id byte, value []byte) []byte { return append([]byte{id}, value...) }

func user(key, value string) []byte { return prop(0x26, append(str(key), str(value)...)) }

// iAm says who a client is [R-MQTT.13].
func iAm(id usp.EndpointID) []byte { return user("usp-endpoint-id", string(id)) }

var (
	requestResponse = []byte{0x19, 1}
	uspMsg          = prop(0x03, str("usp.msg"))
)

func responseTopic(topic string) []byte { return prop(0x08, str(topic)) }

// connect is a CONNECT with a clean session and a keep-alive of a minute.
func connect(version byte, clientID string, properties ...[]byte) []byte {
	body := append(str("MQTT"), version, 0x02, 0, 60)
	if version == v5 {
		body = append(body, props(properties...)...)
	}
	return packet(0x10, body, str(clientID))
}

// subscribe asks for QoS 1.
func subscribe(version byte, id uint16, filters ...string) []byte {
	return subscribeQoS(version, id, 1, filters...)
}

func subscribeQoS(version byte, id uint16, qos byte, filters ...string) []byte {
	body := binary.BigEndian.AppendUint16(nil, id)
	if version == v5 {
		body = append(body, 0)
	}
	for _, f := range filters {
		body = append(append(body, str(f)...), qos)
	}
	return packet(0x82, body)
}

func unsubscribe(version byte, id uint16, filter string) []byte {
	body := binary.BigEndian.AppendUint16(nil, id)
	if version == v5 {
		body = append(body, 0)
	}
	return packet(0xa2, body, str(filter))
}

// publish is a PUBLISH with QoS 1, or 0 where id is.
func publish(version byte, id uint16, topic string, record []byte, properties ...[]byte) []byte {
	first, body := byte(0x30), str(topic)
	if id > 0 {
		first, body = 0x32, binary.BigEndian.AppendUint16(body, id)
	}
	if version == v5 {
		body = append(body, props(properties...)...)
	}
	return packet(first, body, record)
}

func puback(id uint16) []byte { return []byte{0x40, 2, byte(id >> 8), byte(id)} }

// peer is a client that the test writes and reads by hand.
type peer struct {
	net.Conn
	t       testing.TB
	r       *bufio.Reader
	version byte
}

func dial(tb testing.TB, addr string, version byte) *peer {
	tb.Helper()
	conn, err := new(net.Dialer).DialContext(tb.Context(), "tcp", addr)
	if err != nil {
		tb.Fatalf("dial: got %v, want nil", err)
	}
	return newPeer(tb, conn, version)
}

func newPeer(tb testing.TB, conn net.Conn, version byte) *peer {
	tb.Helper()
	tb.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(mtptest.Timeout)); err != nil {
		tb.Fatal(err)
	}
	return &peer{Conn: conn, t: tb, r: bufio.NewReader(conn), version: version}
}

// agentPeer is connected as an Agent and subscribed to its topic with QoS 1.
func agentPeer(tb testing.TB, addr string, version byte, id usp.EndpointID) *peer {
	tb.Helper()
	return agentPeerQoS(tb, addr, version, id, 1)
}

func agentPeerQoS(tb testing.TB, addr string, version byte, id usp.EndpointID, qos byte) *peer {
	tb.Helper()
	p := dial(tb, addr, version)
	p.write(connect(version, "client of "+string(id), iAm(id)))
	p.wantConnack(0)
	p.write(subscribeQoS(version, 1, qos, agentTopic(id)+map[byte]string{v311: "/#"}[version]))
	p.want(packets.Suback)
	return p
}

func agentTopic(id usp.EndpointID) string { return "usp/v1/agent/" + string(id) }

func controllerTopic(id usp.EndpointID) string { return "usp/v1/controller/" + string(id) }

func (p *peer) write(b ...[]byte) {
	p.t.Helper()
	if _, err := p.Write(bytes.Join(b, nil)); err != nil {
		p.t.Fatalf("write: got %v, want nil", err)
	}
}

// read returns the next packet, decoded by the library.
func (p *peer) read() (packets.Packet, error) {
	pk := packets.Packet{ProtocolVersion: p.version}
	first, err := p.r.ReadByte()
	if err != nil {
		return pk, err
	}
	if err := pk.FixedHeader.Decode(first); err != nil {
		return pk, err
	}
	if pk.FixedHeader.Remaining, _, err = packets.DecodeLength(p.r); err != nil {
		return pk, err
	}
	body := make([]byte, pk.FixedHeader.Remaining)
	if _, err := io.ReadFull(p.r, body); err != nil {
		return pk, err
	}
	decode := map[byte]func([]byte) error{
		packets.Connack: pk.ConnackDecode, packets.Publish: pk.PublishDecode, packets.Puback: pk.PubackDecode,
		packets.Pubrec: pk.PubrecDecode, packets.Pubcomp: pk.PubcompDecode, packets.Suback: pk.SubackDecode,
		packets.Unsuback: pk.UnsubackDecode, packets.Disconnect: pk.DisconnectDecode,
		packets.Pingresp: func([]byte) error { return nil },
	}[pk.FixedHeader.Type]
	return pk, decode(body)
}

// want returns the next packet, which is of this type.
func (p *peer) want(kind byte) packets.Packet {
	p.t.Helper()
	pk, err := p.read()
	if err != nil || pk.FixedHeader.Type != kind {
		p.t.Fatalf("got %s with %#x (%v), want %s",
			packets.PacketNames[pk.FixedHeader.Type], pk.ReasonCode, err, packets.PacketNames[kind])
	}
	return pk
}

func (p *peer) wantConnack(reason byte) packets.Packet {
	p.t.Helper()
	pk := p.want(packets.Connack)
	if pk.ReasonCode != reason {
		p.t.Fatalf("CONNACK: got %#x, want %#x", pk.ReasonCode, reason)
	}
	return pk
}

func (p *peer) wantPuback(id uint16, reason byte) {
	p.t.Helper()
	if pk := p.want(packets.Puback); pk.PacketID != id || pk.ReasonCode != reason {
		p.t.Fatalf("PUBACK: got %d with %#x, want %d with %#x", pk.PacketID, pk.ReasonCode, id, reason)
	}
}

// wantPublish returns the next packet, which is a PUBLISH of record.
func (p *peer) wantPublish(record []byte) packets.Packet {
	p.t.Helper()
	pk := p.want(packets.Publish)
	if !bytes.Equal(pk.Payload, record) {
		p.t.Fatalf("PUBLISH: got %q, want %q", pk.Payload, record)
	}
	return pk
}

// wantDisconnect fails unless the server says so, in MQTT 5, and ends the
// connection.
func (p *peer) wantDisconnect(reason byte) {
	p.t.Helper()
	if p.version == v5 {
		if pk := p.want(packets.Disconnect); pk.ReasonCode != reason {
			p.t.Fatalf("DISCONNECT: got %#x, want %#x", pk.ReasonCode, reason)
		}
	}
	p.wantEnd()
}

func (p *peer) wantEnd() {
	p.t.Helper()
	pk, err := p.read()
	if timeout, ok := err.(net.Error); err == nil || ok && timeout.Timeout() { //nolint:errorlint // as read
		p.t.Fatalf("got %s (%v), want the end of the connection", packets.PacketNames[pk.FixedHeader.Type], err)
	}
}

// ping makes sure that everything before it has been dealt with.
func (p *peer) ping() {
	p.t.Helper()
	p.write([]byte{0xc0, 0})
	p.want(packets.Pingresp)
}

// serve starts a server whose Links go to the Recorder.
func serve(tb testing.TB, o mqtt.ServerOptions, hub *mtptest.Recorder) string {
	tb.Helper()
	o.Listen = "127.0.0.1:0"
	if o.CloseTimeout == 0 {
		o.CloseTimeout = 200 * time.Millisecond
	}
	s, err := mqtt.NewServer(o)
	if err != nil {
		tb.Fatalf("NewServer: got %v, want nil", err)
	}
	mtptest.Start(tb, s, hub)
	return s.Addr()
}
