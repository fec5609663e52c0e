// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// The kinds of frame of a Link between nodes.
const (
	frameForward = 1
	frameOutcome = 2
	// frameBroken is a Forward whose Record does not parse; it is not sent.
	frameBroken = 3
)

const (
	forwardSigned = 1 << iota
	forwardSealed
)

// forwardOverhead is about what a Forward costs beside its Record.
const forwardOverhead = 256

func appendForward(b []byte, number uint64, f *routing.Forward) []byte {
	b = append(b, frameForward)
	b = binary.AppendUvarint(b, number)
	var flags byte
	if f.Signed {
		flags |= forwardSigned
	}
	if f.Sealed {
		flags |= forwardSealed
	}
	b = append(b, flags, byte(f.To.Role))
	b = appendString(b, f.To.ID)
	b = binary.AppendUvarint(b, f.Fence)
	b = appendString(b, f.Hint.Destination)
	b = appendString(b, f.Hint.ReplyTo)
	b = appendString(b, f.Via)
	b = appendString(b, f.Trunk)
	b = binary.AppendUvarint(b, uint64(f.Leg))
	b = binary.AppendUvarint(b, uint64(max(0, f.Age)/time.Microsecond))
	return append(b, f.Record.Bytes()...)
}

func appendOutcome(b []byte, number uint64, c class) []byte {
	b = append(b, frameOutcome)
	b = binary.AppendUvarint(b, number)
	return append(b, byte(c))
}

// parseFrame takes a frame apart. The Forward has nothing of b.
func parseFrame(b []byte) (kind byte, number uint64, f *routing.Forward, c class, err error) {
	d := reader{b: b}
	kind, number = d.byte(), d.uvarint()
	switch kind {
	case frameOutcome:
		c = class(d.byte())
		if d.bad {
			err = errStreamFrame
		}
		return kind, number, nil, c, err
	case frameForward:
	default:
		return kind, number, nil, c, errStreamFrame
	}
	flags := d.byte()
	f = &routing.Forward{Signed: flags&forwardSigned != 0, Sealed: flags&forwardSealed != 0}
	f.To.Role = usp.Role(d.byte())
	f.To.ID = usp.EndpointID(d.string())
	f.Fence = d.uvarint()
	f.Hint = mtp.Hint{Destination: d.string(), ReplyTo: d.string()}
	f.Via, f.Trunk = d.string(), d.string()
	f.Leg = uint32(d.uvarint())
	f.Age = time.Duration(min(d.uvarint(), 1<<50)) * time.Microsecond
	if d.bad {
		return kind, number, nil, c, errStreamFrame
	}
	if f.Record, err = usp.NewRecord(bytes.Clone(d.b)); err != nil {
		return frameBroken, number, nil, c, nil //nolint:nilerr // the answer to it is the outcome
	}
	return kind, number, f, c, nil
}
