// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/usp"
)

// stompType is the content-type of Records [R-STOMP.20].
const stompType = "application/vnd.bbf.usp.msg"

var errSTOMP = errors.New("bench: malformed STOMP frame")

// stompClient speaks STOMP 1.2.
type stompClient struct{ id identity }

func newSTOMP(id identity) *stompClient { return &stompClient{id} }

func (s *stompClient) open(c *client) error {
	head := "STOMP\naccept-version:1.2\nhost:/\nheart-beat:0,0\nendpoint-id:" + escapeSTOMP(string(s.id.self.ID)) + "\n"
	if s.id.user != "" {
		head += "login:" + s.id.user + "\npasscode:" + s.id.password + "\n"
	}
	if _, err := c.conn.Write([]byte(head + "\n\x00")); err != nil {
		return err
	}
	answer, err := readSTOMP(c.r, "CONNECTED")
	if err != nil {
		return err
	}
	if dest, ok := stompHeader(answer, "subscribe-dest"); ok && s.id.own == "" { // [R-STOMP.6]
		s.id.own = unescapeSTOMP(dest)
	}
	s.id.own = destinationOf(s.id.own, s.id.self)
	s.id.destination = destinationOf(s.id.destination, s.id.peer)
	if _, err := c.conn.Write([]byte("SUBSCRIBE\nid:0\nack:auto\nreceipt:0\ndestination:" +
		escapeSTOMP(s.id.own) + "\n\n\x00")); err != nil {
		return err
	}
	_, err = readSTOMP(c.r, "RECEIPT")
	return err
}

// destinationOf is the configured destination, or the one of the gateway's
// default templates.
func destinationOf(configured string, a usp.Address) string {
	switch {
	case configured != "":
		return configured
	case a.Role == usp.RoleAgent:
		return "/queue/usp.v1.agent." + string(a.ID)
	default:
		return "/queue/usp.v1.controller." + string(a.ID)
	}
}

func (s *stompClient) connect(from, to usp.EndpointID) (usp.Record, bool) {
	return usp.NewSTOMPConnect(from, to, s.id.own), true
}

func (s *stompClient) frame(rec []byte) frame {
	b := []byte("SEND\ndestination:" + escapeSTOMP(s.id.destination) + "\ncontent-length:" + strconv.Itoa(len(rec)) +
		"\ncontent-type:" + stompType + "\nreply-to-dest:" + escapeSTOMP(s.id.own) + "\n\n")
	record := len(b)
	return frame{bytes: append(append(b, rec...), 0), record: record}
}

func (s *stompClient) next(b, answers []byte) (event, []byte, error) {
	if len(b) > 0 && (b[0] == '\n' || b[0] == '\r') {
		return event{size: 1}, answers, nil // a heart-beat
	}
	end := bytes.Index(b, []byte("\n\n"))
	if end < 0 {
		return event{}, answers, nil
	}
	head, rest := b[:end], b[end+2:]
	size := bytes.IndexByte(rest, 0)
	if value, ok := stompHeader(head, "content-length"); ok {
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return event{}, nil, errSTOMP
		}
		if size = n; size >= len(rest) {
			size = -1
		}
	}
	switch {
	case size < 0:
		return event{}, answers, nil
	case rest[size] != 0:
		return event{}, nil, errSTOMP
	}
	ev := event{size: end + 2 + size + 1}
	switch command, _, _ := bytes.Cut(head, []byte("\n")); string(command) {
	case "MESSAGE":
		ev.record = rest[:size]
	case "RECEIPT":
	default:
		return event{}, nil, fmt.Errorf("bench: STOMP frame %q", head)
	}
	return ev, answers, nil
}

// stompHeader finds the first header of a name.
func stompHeader(head []byte, name string) (string, bool) {
	for line := head; ; {
		i := bytes.IndexByte(line, '\n')
		if i < 0 {
			return "", false
		}
		line = line[i+1:]
		if len(line) > len(name) && line[len(name)] == ':' && string(line[:len(name)]) == name {
			value, _, _ := bytes.Cut(line[len(name)+1:], []byte("\n"))
			return string(bytes.TrimSuffix(value, []byte("\r"))), true
		}
	}
}

// readSTOMP reads one frame of the wanted command and returns its head.
func readSTOMP(r *bufio.Reader, want string) ([]byte, error) {
	b, err := r.ReadSlice(0)
	if err != nil {
		return nil, err
	}
	text := strings.ReplaceAll(strings.TrimLeft(string(b), "\r\n"), "\r\n", "\n")
	if command, _, _ := strings.Cut(text, "\n"); command != want {
		return nil, fmt.Errorf("STOMP frame %q, want %s", text, want)
	}
	head, _, _ := strings.Cut(text, "\n\n")
	return []byte(head), nil
}

func escapeSTOMP(s string) string {
	return strings.NewReplacer("\\", "\\\\", "\r", "\\r", "\n", "\\n", ":", "\\c").Replace(s)
}

func unescapeSTOMP(s string) string {
	return strings.NewReplacer("\\\\", "\\", "\\r", "\r", "\\n", "\n", "\\c", ":").Replace(s)
}
