// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import "github.com/mochi-mqtt/server/v2/packets"

// gate follows the boundaries of the packets that come in, so that one that is
// too large ends the connection before memory is set aside for it.
type gate struct {
	maxPublish int // largest PUBLISH in bytes, without its first two to five
	maxControl int // largest packet of any other kind

	kind  byte // first byte of the current packet
	shift int  // of the next byte of its Remaining Length; -1: a packet begins
	size  int  // Remaining Length as far as it has been read
	left  int  // what is missing of its rest
}

func newGate(maxPublish, maxControl int) *gate {
	return &gate{maxPublish: maxPublish, maxControl: maxControl, shift: -1}
}

// pass returns how much of p may be looked at, and what is wrong with the rest.
func (g *gate) pass(p []byte) (int, error) {
	for i := 0; i < len(p); {
		switch {
		case g.left > 0:
			n := min(g.left, len(p)-i)
			g.left -= n
			i += n
		case g.shift < 0:
			g.kind, g.shift, g.size = p[i], 0, 0
			i++
		default:
			if err := g.length(p[i]); err != nil {
				return i, err
			}
			i++
		}
	}
	return len(p), nil
}

// length takes a byte of the Remaining Length [MQTT-1.5.5].
func (g *gate) length(b byte) error {
	g.size |= int(b&0x7f) << g.shift
	if b&0x80 != 0 {
		if g.shift += 7; g.shift > 21 {
			return packets.ErrMalformedVariableByteInteger
		}
		return nil
	}
	limit := g.maxControl
	if g.kind>>4 == packets.Publish {
		limit = g.maxPublish
	}
	if g.size > limit {
		return packets.ErrPacketTooLarge // [MQTT-3.2.2-15]
	}
	g.left, g.shift = g.size, -1
	return nil
}
