// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/uspgate/uspgate/usp"
)

// Opcodes and bits of RFC 6455 section 5.2.
const (
	wsFinal  = 0x80
	wsMasked = 0x80
	wsBinary = 2
	wsClose  = 8
	wsPing   = 9
	wsPong   = 10
)

// maxFrame is far more than a read buffer holds.
const maxFrame = 1 << 30

// webSocket masks with the key 0, so that a frame can be patched; a server has
// the same work with it.
type webSocket struct{ host, resource string }

func newWebSocket(u *url.URL, id identity) *webSocket {
	query := u.Query()
	query.Set("eid", string(id.self.ID)) // [R-WS.10b, R-WS.10c]
	return &webSocket{host: u.Host, resource: u.EscapedPath() + "?" + query.Encode()}
}

func (w *webSocket) open(c *client) error {
	path := w.resource
	if strings.HasPrefix(path, "?") {
		path = "/" + path
	}
	if _, err := fmt.Fprintf(c.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+
		"Sec-WebSocket-Protocol: v1.usp\r\n\r\n", path, w.host); err != nil {
		return err
	}
	answer, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusSwitchingProtocols {
		why, _ := io.ReadAll(io.LimitReader(answer.Body, 200)) // the status says enough
		return fmt.Errorf("%s %s", answer.Status, strings.TrimSpace(string(why)))
	}
	return nil
}

func (*webSocket) connect(from, to usp.EndpointID) (usp.Record, bool) {
	return usp.NewWebSocketConnect(from, to), true
}

func (*webSocket) frame(rec []byte) frame {
	b := appendWSHeader(nil, wsBinary, len(rec))
	return frame{bytes: append(b, rec...), record: len(b)}
}

// appendWSHeader appends the header of a masked final frame with the key 0.
func appendWSHeader(dst []byte, opcode byte, size int) []byte {
	dst = append(dst, wsFinal|opcode)
	switch {
	case size < 126:
		dst = append(dst, wsMasked|byte(size))
	case size < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, wsMasked|126), uint16(size))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, wsMasked|127), uint64(size))
	}
	return append(dst, 0, 0, 0, 0)
}

func (*webSocket) next(b, answers []byte) (event, []byte, error) {
	if len(b) < 2 {
		return event{}, answers, nil
	}
	head, size := 2, int(b[1])
	switch size {
	case 126:
		head = 4
	case 127:
		head = 10
	}
	if len(b) < head {
		return event{}, answers, nil
	}
	switch size {
	case 126:
		size = int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		long := binary.BigEndian.Uint64(b[2:])
		if long > maxFrame {
			return event{}, nil, fmt.Errorf("bench: WebSocket frame of %d bytes", long)
		}
		size = int(long)
	}
	if len(b) < head+size {
		return event{}, answers, nil
	}
	ev := event{size: head + size}
	switch data := b[head : head+size]; b[0] {
	case wsFinal | wsBinary:
		ev.record = data
	case wsFinal | wsPing:
		answers = append(appendWSHeader(answers, wsPong, size), data...)
	case wsFinal | wsPong:
	case wsFinal | wsClose:
		return event{}, nil, closedWS(data)
	default:
		return event{}, nil, fmt.Errorf("bench: WebSocket frame %#x, want whole binary ones", b[0])
	}
	return ev, answers, nil
}

func closedWS(data []byte) error {
	if len(data) < 2 {
		return errors.New("bench: closed by the relay")
	}
	return fmt.Errorf("bench: closed by the relay with %d %s", binary.BigEndian.Uint16(data), data[2:])
}
