// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"encoding/binary"
	"encoding/json"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// The kinds of frame from the node that runs a Transport. In the other direction
// there is one only.
const (
	sharedUp = iota + 1
	sharedDown
	sharedSettled
)

// appendUp tells another node of the Link.
func (l *heldLink) appendUp(b []byte) []byte {
	b = append(b, sharedUp)
	b = binary.AppendUvarint(b, l.id)
	connector := byte(0)
	if _, ok := l.link.(mtp.Connector); ok {
		connector = 1
	}
	b = append(b, connector)
	peer, err := json.Marshal(l.peer)
	if err != nil { // a struct of strings and numbers
		peer = nil
	}
	return append(b, peer...)
}

func appendDown(b []byte, link uint64) []byte {
	return binary.AppendUvarint(append(b, sharedDown), link)
}

func appendSettled(b []byte, link, token uint64, c class) []byte {
	b = binary.AppendUvarint(append(b, sharedSettled), link)
	b = binary.AppendUvarint(b, token)
	return append(b, byte(c))
}

// sharedFrame is one from the node that runs the Transport.
type sharedFrame struct {
	kind        byte
	link, token uint64
	class       class
	connector   bool
	peer        mtp.Peer
}

func parseShared(b []byte) (f sharedFrame, err error) {
	d := reader{b: b}
	f.kind, f.link = d.byte(), d.uvarint()
	switch f.kind {
	case sharedUp:
		f.connector = d.byte() == 1
		if d.bad || json.Unmarshal(d.b, &f.peer) != nil {
			return f, errStreamFrame
		}
	case sharedDown:
	case sharedSettled:
		f.token, f.class = d.uvarint(), class(d.byte())
	default:
		return f, errStreamFrame
	}
	if d.bad {
		return f, errStreamFrame
	}
	return f, nil
}

func appendEnqueue(b []byte, link, token uint64, hint *mtp.Hint, rec *usp.Record) []byte {
	b = binary.AppendUvarint(b, link)
	b = binary.AppendUvarint(b, token)
	b = appendString(b, hint.Destination)
	b = appendString(b, hint.ReplyTo)
	return append(b, rec.Bytes()...)
}

func parseEnqueue(b []byte) (link, token uint64, hint mtp.Hint, rec usp.Record, err error) {
	d := reader{b: b}
	link, token = d.uvarint(), d.uvarint()
	hint = mtp.Hint{Destination: d.string(), ReplyTo: d.string()}
	if d.bad {
		return link, token, hint, rec, errStreamFrame
	}
	rec, err = usp.NewRecord(bytes.Clone(d.b))
	return link, token, hint, rec, err //nolint:wrapcheck // the stream does
}
