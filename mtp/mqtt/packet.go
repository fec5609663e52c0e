// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/mochi-mqtt/server/v2/packets"
)

// readBuffer is the size of the buffer that an idle connection keeps.
const readBuffer = 256

// packetReader reads control packets, none of which is larger than it may be:
// that is found out before memory is set aside for it.
type packetReader struct {
	r          *bufio.Reader
	version    byte // protocol level
	maxPublish int  // largest PUBLISH in bytes, without its first two to five
	maxControl int  // largest packet of any other kind
}

// next reads the packet that begins with first into pk, which keeps the memory
// that it was read into, and no other.
func (p *packetReader) next(first byte, pk *packets.Packet) error {
	*pk = packets.Packet{ProtocolVersion: p.version}
	if err := pk.FixedHeader.Decode(first); err != nil {
		return err
	}
	size, err := p.length()
	if err != nil {
		return err
	}
	limit := p.maxControl
	if pk.FixedHeader.Type == packets.Publish {
		limit = p.maxPublish
	}
	if size > limit {
		return packets.ErrPacketTooLarge // [MQTT-3.2.2-15]
	}
	pk.FixedHeader.Remaining = size
	body := make([]byte, size)
	if _, err := io.ReadFull(p.r, body); err != nil {
		return err
	}
	return decode(pk, body)
}

// length reads a Remaining Length [MQTT-1.5.5].
func (p *packetReader) length() (n int, err error) {
	for shift := 0; shift <= 21; shift += 7 {
		b, err := p.r.ReadByte()
		if err != nil {
			return 0, err
		}
		if n |= int(b&0x7f) << shift; b&0x80 == 0 {
			return n, nil
		}
	}
	return 0, packets.ErrMalformedVariableByteInteger
}

// decode has the library decode a body. It panics on some that are cut off; the
// owner of the connection recovers.
func decode(pk *packets.Packet, body []byte) error {
	switch pk.FixedHeader.Type {
	case packets.Connect:
		return pk.ConnectDecode(body)
	case packets.Connack:
		return pk.ConnackDecode(body)
	case packets.Publish:
		return pk.PublishDecode(body)
	case packets.Puback:
		return pk.PubackDecode(body)
	case packets.Pubrec:
		return pk.PubrecDecode(body)
	case packets.Pubrel:
		return pk.PubrelDecode(body)
	case packets.Pubcomp:
		return pk.PubcompDecode(body)
	case packets.Subscribe:
		return pk.SubscribeDecode(body)
	case packets.Suback:
		return pk.SubackDecode(body)
	case packets.Unsubscribe:
		return pk.UnsubscribeDecode(body)
	case packets.Unsuback:
		return pk.UnsubackDecode(body)
	case packets.Disconnect:
		if len(body) > 0 { // the library overlooks a reason without properties
			pk.ReasonCode = body[0]
		}
		return nil
	case packets.Pingreq, packets.Pingresp, packets.Auth:
		return nil
	default:
		return fmt.Errorf("%w: type %d", packets.ErrProtocolViolation, pk.FixedHeader.Type)
	}
}

// encode has the library encode one of the packets that are not many.
func encode(pk *packets.Packet) ([]byte, error) {
	var buf bytes.Buffer
	var err error
	switch pk.FixedHeader.Type {
	case packets.Connect:
		err = pk.ConnectEncode(&buf)
	case packets.Connack:
		err = pk.ConnackEncode(&buf)
	case packets.Subscribe:
		err = pk.SubscribeEncode(&buf)
	case packets.Suback:
		err = pk.SubackEncode(&buf)
	case packets.Unsubscribe:
		err = pk.UnsubscribeEncode(&buf)
	default:
		err = pk.UnsubackEncode(&buf)
	}
	return buf.Bytes(), err
}
