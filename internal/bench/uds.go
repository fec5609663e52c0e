// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/uspgate/uspgate/usp"
)

// Types of TLV, and sizes of headers [R-UDS.6, R-UDS.10].
const (
	udsSync      = "_USP"
	udsHandshake = 1
	udsError     = 2
	udsRecord    = 3
	udsHead      = 8
	udsTLVHead   = 5
)

var errUDS = errors.New("bench: malformed frame on the Unix domain socket")

// udsClient speaks USP's frames on a Unix domain socket.
type udsClient struct {
	id   identity
	left int // bytes of the current frame that are still to come
}

func newUDS(id identity) *udsClient { return &udsClient{id: id} }

func (u *udsClient) open(c *client) error {
	if _, err := c.conn.Write(tlv(udsHandshake, []byte(u.id.self.ID))); err != nil {
		return err
	}
	var head [udsHead + udsTLVHead]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(head[udsHead+1:])
	if string(head[:len(udsSync)]) != udsSync || size > 1<<16 {
		return errUDS
	}
	value := make([]byte, size)
	if _, err := io.ReadFull(c.r, value); err != nil {
		return err
	}
	if head[udsHead] != udsHandshake {
		return fmt.Errorf("TLV %d %q, want a Handshake", head[udsHead], value)
	}
	return nil
}

func (*udsClient) connect(from, to usp.EndpointID) (usp.Record, bool) {
	return usp.NewUDSConnect(from, to), true
}

func (*udsClient) frame(rec []byte) frame {
	return frame{bytes: tlv(udsRecord, rec), record: udsHead + udsTLVHead}
}

// tlv is a frame with one TLV.
func tlv(kind byte, value []byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte(udsSync), uint32(udsTLVHead+len(value)))
	b = binary.BigEndian.AppendUint32(append(b, kind), uint32(len(value)))
	return append(b, value...)
}

// next returns one TLV at a time; the frame's header goes with the first.
func (u *udsClient) next(b, answers []byte) (event, []byte, error) {
	head, left := 0, u.left
	if left == 0 {
		if len(b) < udsHead {
			return event{}, answers, nil
		}
		if string(b[:len(udsSync)]) != udsSync {
			return event{}, nil, errUDS
		}
		head, left = udsHead, int(binary.BigEndian.Uint32(b[len(udsSync):]))
	}
	if len(b) < head+udsTLVHead {
		return event{}, answers, nil
	}
	size := udsTLVHead + int(binary.BigEndian.Uint32(b[head+1:]))
	switch {
	case size > left:
		return event{}, nil, errUDS
	case len(b) < head+size:
		return event{}, answers, nil
	}
	u.left = left - size
	ev := event{size: head + size}
	switch value := b[head+udsTLVHead : head+size]; b[head] {
	case udsRecord:
		ev.record = value
	case udsError:
		return event{}, nil, fmt.Errorf("bench: Error TLV from the relay: %s", value)
	}
	return ev, answers, nil
}
