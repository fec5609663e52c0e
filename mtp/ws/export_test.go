// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"net"
	"time"

	"github.com/uspgate/uspgate/mtp"
)

// What the tests and fuzz targets need of the inside.
var (
	QueryEndpoint     = queryEndpoint
	WithEndpoint      = withEndpoint
	ExtensionEndpoint = extensionEndpoint
	ExtensionValue    = extensionValue
	Claimed           = claimed
	ReplyTo           = func(cause error) (code int, ack bool) { r := replyTo(cause); return r.code, r.ack }
)

// ReadFrames has a Link read from conn, of a server or of a client, and give its
// Records to port, until the connection ends or a frame ends it; it returns the
// status of the Close frame that answers, 0 if none could, and the cause.
func ReadFrames(conn net.Conn, client bool, maxRecord int, port mtp.Port) (code int, err error) {
	o := &LinkOptions{MaxRecord: maxRecord}
	o.setDefaults()
	w := &wire{Conn: conn, buffers: &Buffers{}, masked: client}
	w.lines.done = true
	l := newLink(w, o, nil, "")
	l.port = port
	l.loop()
	cause := l.ending.Cause()
	if isNetwork(cause) {
		return 0, cause
	}
	if code, ok := peerCode(cause); ok {
		return code, cause
	}
	return replyTo(cause).code, cause
}

// LookEvery has readers rest sooner; it is called before Run.
func (s *Server) LookEvery(d time.Duration) { s.keeper.looking = d }

// Mask masks b as a client would, in two calls that are cut at n.
func Mask(key uint32, b []byte, n int) {
	m := mask{key: key}
	m.apply(b[:n])
	m.apply(b[n:])
}
