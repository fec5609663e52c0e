// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds

import (
	"net"
	"time"
)

// ReplyTo is what the tests need of the table.
var ReplyTo = func(cause error) (text string, ack bool) { r := replyTo(cause); return r.text, r.ack }

// Field is one field as ReadFields found it.
type Field struct {
	Kind  byte
	Value []byte
}

// ReadFields reads all fields from conn until the first error, and tells how
// many bytes it held at most beside their values.
func ReadFields(conn net.Conn, maxRecord int) (fields []Field, held int, err error) {
	o := LinkOptions{Presents: "self::test", MaxRecord: maxRecord}
	if err := o.setDefaults(); err != nil {
		return nil, 0, err
	}
	o.MaxFrame = 4 * maxRecord
	w := newWire(conn, &buffers{}, &o)
	w.in.timeout = time.Minute
	for {
		f, err := w.in.next()
		if err != nil {
			return fields, held, err
		}
		if f.size > maxRecord {
			if err := w.in.skip(f); err != nil {
				return fields, held, err
			}
			continue
		}
		value, err := w.in.value(f)
		if err != nil {
			return fields, held, err
		}
		held = max(held, len(w.in.buffer()))
		fields = append(fields, Field{byte(f.kind), value})
	}
}

// AppendFrame is the encoder.
func AppendFrame(dst []byte, kind byte, value []byte) []byte {
	return appendFrame(dst, fieldType(kind), string(value))
}

// Claimed is the parser of a Handshake.
var Claimed = claimed

// Use has a Server accept from ln.
func (s *Server) Use(ln net.Listener) { s.ln = ln }
