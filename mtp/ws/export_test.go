// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import "time"

// What the tests and fuzz targets need of the inside.
var (
	QueryEndpoint     = queryEndpoint
	WithEndpoint      = withEndpoint
	ExtensionEndpoint = extensionEndpoint
	ExtensionValue    = extensionValue
	Claimed           = claimed
	ReplyTo           = func(cause error) (code int, ack bool) { r := replyTo(cause); return r.code, r.ack }
)

// LookEvery has readers rest sooner; it is called before Run.
func (s *Server) LookEvery(d time.Duration) { s.keeper.looking = d }

// Mask masks b as a client would, in two calls that are cut at n.
func Mask(key uint32, b []byte, n int) {
	m := mask{key: key}
	m.apply(b[:n])
	m.apply(b[n:])
}
