// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"strconv"
	"strings"
)

// contentType is what every frame with a Record carries, exactly: Agents drop
// the connection for another [R-STOMP.18].
const contentType = "application/vnd.bbf.usp.msg"

// appendEscaped writes a header name or value with escapes for what may not be
// in it [STOMP 1.2, Value Encoding; R-STOMP.4]. A NUL, which no escape stands
// for, is left out.
func appendEscaped(dst []byte, s string) []byte {
	if !strings.ContainsAny(s, "\r\n:\\\x00") {
		return append(dst, s...)
	}
	for i := range len(s) {
		switch c := s[i]; c {
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\n':
			dst = append(dst, '\\', 'n')
		case ':':
			dst = append(dst, '\\', 'c')
		case '\\':
			dst = append(dst, '\\', '\\')
		case 0:
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendHeader writes a header with an escaped value.
func appendHeader(dst []byte, name, value string) []byte {
	dst = append(append(dst, name...), ':')
	return append(appendEscaped(dst, value), '\n')
}

// appendLiteral writes a header of a frame without escapes; what would break it
// is left out.
func appendLiteral(dst []byte, name, value string) []byte {
	dst = append(append(dst, name...), ':')
	for i := range len(value) {
		if c := value[i]; c != '\n' && c != '\r' && c != 0 {
			dst = append(dst, c)
		}
	}
	return append(dst, '\n')
}

func appendNumber(dst []byte, name string, n uint64) []byte {
	dst = append(append(dst, name...), ':')
	return append(strconv.AppendUint(dst, n, 10), '\n')
}

// appendEnd writes the end of headers and an empty body.
func appendEnd(dst []byte) []byte { return append(dst, '\n', 0) }

// appendReceipt writes a whole RECEIPT.
func appendReceipt(dst []byte, id string) []byte {
	return appendEnd(appendHeader(append(dst, "RECEIPT\n"...), "receipt-id", id))
}

// errorFrame is a whole ERROR; the headers version and receipt-id are left out
// where they are empty.
func errorFrame(text, version, receipt string) []byte {
	b := appendHeader([]byte("ERROR\n"), "message", text)
	if version != "" {
		b = appendHeader(b, "version", version)
	}
	if receipt != "" {
		b = appendHeader(b, "receipt-id", receipt)
	}
	return appendEnd(appendNumber(b, "content-length", 0))
}

// appendSubscribe writes a whole SUBSCRIBE [R-STOMP.12, R-STOMP.13]; receipt
// may be empty.
func appendSubscribe(dst []byte, id, destination, receipt string) []byte {
	dst = appendHeader(append(dst, "SUBSCRIBE\n"...), "id", id)
	dst = appendHeader(dst, "destination", destination)
	dst = append(dst, "ack:auto\n"...)
	if receipt != "" {
		dst = appendHeader(dst, "receipt", receipt)
	}
	return appendEnd(dst)
}

func appendUnsubscribe(dst []byte, id string) []byte {
	return appendEnd(appendHeader(append(dst, "UNSUBSCRIBE\n"...), "id", id))
}

// appendMessage begins a MESSAGE, of which message-id and content-length are
// missing [R-STOMP.18, R-STOMP.22].
func appendMessage(dst []byte, subscription, destination, replyTo string) []byte {
	dst = appendHeader(append(dst, "MESSAGE\n"...), "subscription", subscription)
	return appendCommon(dst, destination, replyTo)
}

// appendSend begins a SEND, of which content-length is missing.
func appendSend(dst []byte, destination, replyTo string) []byte {
	return appendCommon(append(dst, "SEND\n"...), destination, replyTo)
}

func appendCommon(dst []byte, destination, replyTo string) []byte {
	dst = appendHeader(dst, "destination", destination)
	dst = append(dst, "content-type:"+contentType+"\n"...)
	return appendHeader(dst, "reply-to-dest", replyTo)
}

// appendLength ends the headers of a frame with a body of n bytes.
func appendLength(dst []byte, n int) []byte {
	return append(appendNumber(dst, "content-length", uint64(n)), '\n')
}
