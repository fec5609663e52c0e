// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/uspgate/uspgate/usp"
)

// What of RFC 7252 is needed.
const (
	coapCON         = 0x40 // version 1, type 0
	coapACK         = 0x60
	coapTypeMask    = 0x30
	coapPOST        = 0x02
	coapChanged     = 0x44 // 2.04
	coapURIPath     = 11
	coapFormat      = 12
	coapURIQuery    = 15
	coapOctetStream = 42
	coapMarker      = 0xff
	coapHead        = 4
	coapTokenSize   = 2
)

var errCoAP = errors.New("bench: malformed CoAP message")

// coapClient sends each Record as a confirmable POST and answers those of the
// relay. It does not repeat what is lost: between processes of one host, with a
// window that fits the socket's buffer, nothing is.
type coapClient struct {
	id   identity
	path []string
	own  string // reply-to
}

func newCoAP(u *url.URL, id identity) *coapClient {
	return &coapClient{id: id, path: strings.Split(strings.Trim(u.Path, "/"), "/")}
}

func (p *coapClient) open(c *client) error {
	p.own = p.id.own
	if p.own == "" {
		p.own = "coap://" + c.conn.LocalAddr().String() + "/usp"
	}
	return nil
}

func (*coapClient) connect(usp.EndpointID, usp.EndpointID) (usp.Record, bool) {
	return usp.Record{}, false
}

func (p *coapClient) frame(rec []byte) frame {
	b := []byte{coapCON | coapTokenSize, coapPOST, 0, 0, 0, 0} // the token is the message ID
	last := 0
	for _, segment := range p.path {
		b, last = appendOption(b, last, coapURIPath, []byte(segment))
	}
	b, last = appendOption(b, last, coapFormat, []byte{coapOctetStream})
	b, _ = appendOption(b, last, coapURIQuery, []byte("reply-to="+p.own))
	b = append(b, coapMarker)
	record := len(b)
	return frame{bytes: append(b, rec...), record: record, ids: []int{2, coapHead}}
}

// appendOption appends an option, whose number is written as the difference to
// the one before.
func appendOption(b []byte, last, number int, value []byte) (out []byte, now int) {
	delta, size := number-last, len(value)
	switch {
	case size < 13:
		b = append(b, byte(delta<<4|size))
	case size < 269:
		b = append(b, byte(delta<<4|13), byte(size-13))
	default:
		b = append(b, byte(delta<<4|14), byte((size-269)>>8), byte(size-269))
	}
	return append(b, value...), number
}

func (p *coapClient) next(b, answers []byte) (event, []byte, error) {
	if len(b) < coapHead || len(b) < coapHead+int(b[0]&15) {
		return event{}, nil, errCoAP
	}
	ev := event{size: len(b)}
	code, token := b[1], b[coapHead:coapHead+int(b[0]&15)]
	switch {
	case code == coapChanged:
		ev.acked = true
	case code == coapPOST:
		ev.record = coapPayload(b[coapHead+len(token):])
	case code != 0:
		return event{}, nil, fmt.Errorf("bench: answer %d.%02d from the relay", code>>5, code&31)
	}
	if b[0]&coapTypeMask == 0 { // confirmable
		head := []byte{coapACK, 0, b[2], b[3]}
		if code == coapPOST {
			head[0], head[1] = coapACK|byte(len(token)), coapChanged
			head = append(head, token...)
		}
		answers = append(answers, head...)
	}
	return ev, answers, nil
}

// coapPayload is what follows the options; nil if there is none.
func coapPayload(b []byte) []byte {
	for len(b) > 0 && b[0] != coapMarker {
		size, used := int(b[0]&15), 1
		switch b[0] >> 4 {
		case 13:
			used++
		case 14:
			used += 2
		}
		if len(b) < used+2 {
			return nil
		}
		switch size {
		case 13:
			size = 13 + int(b[used])
			used++
		case 14:
			size = 269 + int(binary.BigEndian.Uint16(b[used:]))
			used += 2
		}
		if len(b) < used+size {
			return nil
		}
		b = b[used+size:]
	}
	if len(b) == 0 {
		return nil
	}
	return b[1:]
}
