// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package listen

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/pires/go-proxyproto"
)

// Of the PROXY protocol, sections 2.1 and 2.2.
const (
	signature1 = "PROXY "
	signature2 = "\r\n\r\n\x00\r\nQUIT\n"
	maxLine    = 107 // version 1, CR LF included
	fixed2     = 16  // version 2, before the addresses
	// maxHeader bounds a header of version 2, addresses and TLVs included: a
	// proxy that passes a client's certificate on is not one of ours.
	maxHeader = 4096
)

var (
	errNoHeader = errors.New("no PROXY header from a trusted proxy")
	errHeader   = errors.New("malformed PROXY header")
	errAddress  = errors.New("too many connections from the address in the PROXY header")
)

// header is what a PROXY header says. Both addresses are nil if the proxy
// speaks for itself.
type header struct {
	source, destination net.Addr
	rest                []byte // what was read behind it
}

// readHeader reads the header with which r begins, in as few reads as it comes
// in, and tells what it has read beyond it.
func readHeader(r io.Reader) (header, error) {
	buf := make([]byte, 0, 2*maxLine)
	for {
		n, err := headerSize(buf)
		if err != nil {
			return header{}, err
		}
		if n > 0 && len(buf) >= n {
			h, err := parse(buf[:n])
			if len(buf) > n {
				h.rest = bytes.Clone(buf[n:])
			}
			return h, err
		}
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, max(n, 2*cap(buf))), buf...)
		}
		m, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+m]
		if err != nil && m == 0 {
			return header{}, fmt.Errorf("%w: %w", errNoHeader, err)
		}
	}
}

// headerSize returns the size of the header with which b begins, 0 while that
// is not known.
func headerSize(b []byte) (int, error) {
	switch {
	case begins(b, signature1):
		line := b[:min(len(b), maxLine)]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			return i + 1, nil
		}
		if len(line) == maxLine {
			return 0, fmt.Errorf("%w: a line without end", errHeader)
		}
		return 0, nil
	case begins(b, signature2):
		if len(b) < fixed2 {
			return 0, nil
		}
		n := fixed2 + int(binary.BigEndian.Uint16(b[fixed2-2:]))
		if n > maxHeader {
			return 0, fmt.Errorf("%w: %d bytes", errHeader, n)
		}
		return n, nil
	default:
		return 0, errNoHeader
	}
}

// begins reports whether b begins with signature, as far as it goes.
func begins(b []byte, signature string) bool {
	n := min(len(b), len(signature))
	return string(b[:n]) == signature[:n]
}

// parse decodes a complete header.
func parse(b []byte) (header, error) {
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(b), len(b)))
	if err != nil {
		return header{}, fmt.Errorf("%w: %w", errHeader, err)
	}
	if h.Command.IsLocal() {
		return header{}, nil
	}
	if !h.TransportProtocol.IsStream() || h.SourceAddr == nil {
		return header{}, fmt.Errorf("%w: not of a stream", errHeader)
	}
	return header{source: h.SourceAddr, destination: h.DestinationAddr}, nil
}
