// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// command is that of a frame [STOMP 1.2, Augmented BNF].
type command uint8

const (
	cmdUnknown command = iota
	cmdStomp
	cmdConnect
	cmdConnected
	cmdSend
	cmdSubscribe
	cmdUnsubscribe
	cmdBegin
	cmdCommit
	cmdAbort
	cmdAck
	cmdNack
	cmdDisconnect
	cmdMessage
	cmdReceipt
	cmdError
)

// maxCommand is the length of the longest command with its end of line.
const maxCommand = len("UNSUBSCRIBE\r\n")

func commandOf(line []byte) command {
	switch string(line) {
	case "STOMP":
		return cmdStomp
	case "CONNECT":
		return cmdConnect
	case "CONNECTED":
		return cmdConnected
	case "SEND":
		return cmdSend
	case "SUBSCRIBE":
		return cmdSubscribe
	case "UNSUBSCRIBE":
		return cmdUnsubscribe
	case "BEGIN":
		return cmdBegin
	case "COMMIT":
		return cmdCommit
	case "ABORT":
		return cmdAbort
	case "ACK":
		return cmdAck
	case "NACK":
		return cmdNack
	case "DISCONNECT":
		return cmdDisconnect
	case "MESSAGE":
		return cmdMessage
	case "RECEIPT":
		return cmdReceipt
	case "ERROR":
		return cmdError
	}
	return cmdUnknown
}

// connects reports whether header values of the frame are not escaped, for
// the sake of STOMP 1.0 [STOMP 1.2, Value Encoding].
func (c command) connects() bool { return c == cmdStomp || c == cmdConnect || c == cmdConnected }

// hasBody reports whether the frame may have a body.
func (c command) hasBody() bool { return c == cmdSend || c == cmdMessage || c == cmdError }

// header is a header that somebody here looks at; all others are read over.
type header uint8

const (
	hdrAcceptVersion header = iota
	hdrAck
	hdrContentLength
	hdrDestination
	hdrEndpointID
	hdrHeartBeat
	hdrHost
	hdrID
	hdrLogin
	hdrMessage
	hdrPasscode
	hdrReceipt
	hdrReceiptID
	hdrReplyToDest
	hdrSubscribeDest
	hdrTransaction
	hdrVersion
	headerCount
)

func headerOf(name []byte) header {
	switch string(name) {
	case "accept-version":
		return hdrAcceptVersion
	case "ack":
		return hdrAck
	case "content-length":
		return hdrContentLength
	case "destination":
		return hdrDestination
	case "endpoint-id":
		return hdrEndpointID
	case "heart-beat":
		return hdrHeartBeat
	case "host":
		return hdrHost
	case "id":
		return hdrID
	case "login":
		return hdrLogin
	case "message":
		return hdrMessage
	case "passcode":
		return hdrPasscode
	case "receipt":
		return hdrReceipt
	case "receipt-id":
		return hdrReceiptID
	case "reply-to-dest":
		return hdrReplyToDest
	case "subscribe-dest":
		return hdrSubscribeDest
	case "transaction":
		return hdrTransaction
	case "version":
		return hdrVersion
	}
	return headerCount
}

// frame is one that has been read. Header values are views into the reader's
// buffer, valid until the next frame is read; body is its own.
type frame struct {
	command command
	values  [headerCount][]byte // as on the wire; nil: the header is missing
	body    []byte
}

// has reports whether there is such a header, with or without a value.
func (f *frame) has(h header) bool { return f.values[h] != nil }

// is compares a value as on the wire.
func (f *frame) is(h header, value string) bool { return string(f.values[h]) == value }

// text returns a copy of a value, unescaped; "" if the header is missing. In a
// frame whose values are not escaped, one that is escaped nevertheless is
// understood [R-STOMP.4], and so is one that only looks as if it were: nothing
// that is asked for by text there may have a backslash.
func (f *frame) text(h header) string {
	raw := f.values[h]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	s, err := unescape(raw)
	if err != nil { // checked by parse unless the frame has no escapes
		return string(raw)
	}
	return s
}

// literal returns a copy of a value as on the wire.
func (f *frame) literal(h header) string { return string(f.values[h]) }

// kept is text for a value that is kept, which must not be long.
func (f *frame) kept(h header) (string, error) {
	if len(f.values[h]) > maxKept {
		return "", violation("a header value is too long")
	}
	return f.text(h), nil
}

// violationError is what a peer has done against the protocol, as told to it.
type violationError struct {
	text    string
	cause   error
	version string // the header version of the ERROR frame
}

func (e *violationError) Error() string { return "stomp: " + e.text }
func (e *violationError) Unwrap() error { return e.cause }

func violation(format string, args ...any) error {
	return &violationError{text: fmt.Sprintf(format, args...)}
}

var errEscape = errors.New("undefined escape sequence")

// parse fills f from a command line and its headers, which end with an empty
// line. Of a header that is repeated the first value counts [STOMP 1.2,
// Repeated Header Entries].
func (f *frame) parse(section []byte, maxHeaders int) error {
	f.values, f.body = [headerCount][]byte{}, nil
	if bytes.IndexByte(section, 0) >= 0 {
		return violation("NUL in a header")
	}
	line, rest := cutLine(section)
	if f.command = commandOf(line); f.command == cmdUnknown {
		return violation("unknown command")
	}
	for n := 0; ; n++ {
		if line, rest = cutLine(rest); len(line) == 0 {
			return nil
		}
		if n >= maxHeaders {
			return violation("too many headers")
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok || len(name) == 0 {
			return violation("a header without name or colon")
		}
		if !f.command.connects() && bytes.IndexByte(line, '\\') >= 0 {
			if !escaped(name) || !escaped(value) {
				return &violationError{text: errEscape.Error() + " in a header", cause: errEscape}
			}
		}
		if h := headerOf(name); h < headerCount && f.values[h] == nil {
			f.values[h] = value
		}
	}
}

// cutLine returns the first line without its end, and what follows.
func cutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return nil, nil
	}
	line, rest = b[:i], b[i+1:]
	if i > 0 && line[i-1] == '\r' {
		line = line[:i-1]
	}
	return line[:len(line):len(line)], rest
}

// escaped reports whether every escape sequence in b is defined.
func escaped(b []byte) bool {
	for {
		i := bytes.IndexByte(b, '\\')
		if i < 0 {
			return true
		}
		if i+1 == len(b) || strings.IndexByte(`rnc\`, b[i+1]) < 0 {
			return false
		}
		b = b[i+2:]
	}
}

// unescape is the inverse of appendEscaped.
func unescape(b []byte) (string, error) {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			out = append(out, b[i])
			continue
		}
		if i++; i == len(b) {
			return "", errEscape
		}
		switch b[i] {
		case 'r':
			out = append(out, '\r')
		case 'n':
			out = append(out, '\n')
		case 'c':
			out = append(out, ':')
		case '\\':
			out = append(out, '\\')
		default:
			return "", errEscape
		}
	}
	return string(out), nil
}
