// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// Use has a Server accept from l, instead of Listen.
func (s *Server) Use(l net.Listener) { s.listener = l }

// RestAfter is how long a connection is silent before its stack is replaced.
func (s *Server) RestAfter(d time.Duration) { s.rest = d }

// DialWith has a Client connect by dial.
func (c *Client) DialWith(dial func() (net.Conn, error)) { c.dialer = dial }

// AppendEscaped and Unescape are the Value Encoding of STOMP 1.2.
var (
	AppendEscaped = appendEscaped
	Unescape      = unescape
)

// Decoded is a frame as the reader has understood it.
type Decoded struct {
	Command, Destination, Receipt, ReplyTo string
	Body                                   []byte
}

// pieces is a source that gives at most n bytes at a time.
type pieces struct {
	r io.Reader
	n int
}

func (p pieces) Read(b []byte) (int, error)    { return p.r.Read(b[:min(len(b), p.n)]) }
func (pieces) SetReadDeadline(time.Time) error { return nil }

// ReadFrames reads frames until one is wrong.
func ReadFrames(r io.Reader, piece, maxHeader, maxHeaders, maxBody int, f func(Decoded)) error {
	rd := reader{
		src: pieces{r, piece}, heard: new(atomic.Bool),
		maxHeader: maxHeader, maxHeaders: maxHeaders, maxBody: maxBody, timeout: time.Second,
	}
	defer rd.release()
	for {
		fr, err := rd.next()
		if err != nil {
			return err
		}
		f(Decoded{
			Command: names[fr.command], Destination: fr.text(hdrDestination), Receipt: fr.text(hdrReceipt),
			ReplyTo: fr.text(hdrReplyToDest), Body: append([]byte{}, fr.body...),
		})
	}
}

var names = [...]string{
	"", "STOMP", "CONNECT", "CONNECTED", "SEND", "SUBSCRIBE", "UNSUBSCRIBE", "BEGIN", "COMMIT", "ABORT", "ACK", "NACK",
	"DISCONNECT", "MESSAGE", "RECEIPT", "ERROR",
}

// EncodeSend encodes a SEND as the client's writer does.
func EncodeSend(destination, replyTo, receipt string, body []byte) []byte {
	b := appendHeader(appendSend(nil, destination, replyTo), "receipt", receipt)
	return append(append(appendLength(b, len(body)), body...), 0)
}
