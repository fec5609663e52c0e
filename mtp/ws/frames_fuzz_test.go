// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

const fuzzMaxRecord = 40_000

// scripted is a connection on which data comes in pieces and then the end.
type scripted struct {
	net.Conn

	data  []byte
	piece int
}

func (c *scripted) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.data[:min(c.piece, len(c.data))])
	c.data = c.data[n:]
	return n, nil
}

func (*scripted) Write(p []byte) (int, error)      { return len(p), nil }
func (*scripted) Close() error                     { return nil }
func (*scripted) SetDeadline(time.Time) error      { return nil }
func (*scripted) SetReadDeadline(time.Time) error  { return nil }
func (*scripted) SetWriteDeadline(time.Time) error { return nil }

// collector is a Port that keeps the Records.
type collector struct {
	mtp.Port

	records []string
}

func (c *collector) Accept(rec usp.Record, _ mtp.Hint, _ mtp.Token) {
	c.records = append(c.records, string(rec.Bytes()))
}

// FuzzFrames_R_WS_14b: whatever comes, in whatever pieces, is understood as the
// library understands it, or the connection ends.
func FuzzFrames_R_WS_14b(f *testing.F) {
	rec := mtptest.Record("os::a", "os::b", "x", 0)
	large := mtptest.Record("os::a", "os::b", "x", 20_000)
	f.Add(append(frame(finalBit|opBinary, rec), frame(finalBit|opBinary, large)...), false)
	f.Add(slices.Concat(frame(opBinary, rec[:5]), frame(finalBit|opPing, []byte("x")), frame(opContinuation, nil),
		frame(finalBit|opContinuation, rec[5:])), false)
	f.Add(slices.Concat(frame(opBinary, large[:9000]), frame(finalBit|opContinuation, large[9000:])), false)
	f.Add(frame(finalBit|opClose, append(binary.BigEndian.AppendUint16(nil, 1001), "bye"...)), false)
	f.Add(frame(finalBit|opClose, []byte{3}), false)
	f.Add(frame(finalBit|opClose, []byte{3, 0xe8, 0xff}), false)
	f.Add(frame(finalBit|opText, []byte("x")), false)
	f.Add(frame(finalBit|opPong, make([]byte, 126)), false)
	f.Add(frame(finalBit|0x40|opBinary, rec), false)
	f.Add(frame(finalBit|opContinuation, rec), false)
	f.Add([]byte("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"), false)
	f.Add(unmasked(rec), true)
	f.Fuzz(func(t *testing.T, data []byte, client bool) {
		var port collector
		code, err := ws.ReadFrames(&scripted{data: data, piece: len(data)}, client, fuzzMaxRecord, &port)
		for _, piece := range []int{1, 7, 1000} {
			var again collector
			got, _ := ws.ReadFrames(&scripted{data: data, piece: piece}, client, fuzzMaxRecord, &again)
			if got != code || !slices.Equal(again.records, port.records) {
				t.Fatalf("in pieces of %d: got %d, Records %q, want %d, %q", piece, got, again.records, code, port.records)
			}
		}
		if client {
			return
		}
		records, want := byLibrary(t, data)
		if code == 0 && errors.Is(err, io.EOF) && want != 0 {
			return // the library judges a header that is cut off by what there is
		}
		if code == websocket.CloseProtocolError && want == websocket.CloseNoStatusReceived {
			want = code // the library takes a Close frame of one byte for one without a status
		}
		if code == websocket.CloseUnsupportedData && want == websocket.CloseMessageTooBig {
			want = code // a text frame is refused whatever its size [R-WS.16]
		}
		if code != want || !slices.Equal(records, port.records) {
			t.Fatalf("got %d (%v), %d Records, want %d, %d", code, err, len(port.records), want, len(records))
		}
	})
}

// byLibrary has the library read what a server's Link has read.
func byLibrary(t *testing.T, data []byte) (records []string, code int) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"AQIDBAUGBwgJCgsMDQ4PEA=="},
	}
	answers := &answers{scripted: scripted{data: data, piece: max(len(data), 1)}}
	c, err := (&websocket.Upgrader{}).Upgrade(answers, r, nil)
	if err != nil {
		t.Fatalf("Upgrade: got %v, want nil", err)
	}
	c.SetReadLimit(fuzzMaxRecord)
	for {
		kind, m, err := c.NextReader()
		if err == nil && kind == websocket.TextMessage {
			return records, websocket.CloseUnsupportedData
		}
		var message []byte
		if err == nil {
			message, err = io.ReadAll(m)
		}
		if err != nil {
			return records, answers.status(err)
		}
		if _, err := usp.NewRecord(message); err != nil {
			return records, websocket.CloseUnsupportedData
		}
		records = append(records, string(message))
	}
}

// answers is the ResponseWriter of the library's connection, and the connection.
type answers struct {
	scripted

	out bytes.Buffer
}

func (*answers) Header() http.Header           { return http.Header{} }
func (*answers) WriteHeader(int)               {}
func (a *answers) Write(p []byte) (int, error) { return a.out.Write(p) }

func (a *answers) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return a, bufio.NewReadWriter(bufio.NewReader(a), bufio.NewWriter(a)), nil
}

// status is that of a Close frame of the peer, or of the one that the library
// has written.
func (a *answers) status(err error) int {
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok && closed.Code != websocket.CloseAbnormalClosure {
		return closed.Code
	}
	switch {
	case errors.Is(err, websocket.ErrReadLimit):
		return websocket.CloseMessageTooBig
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		websocket.IsCloseError(err, websocket.CloseAbnormalClosure):
		return 0
	default:
		return websocket.CloseProtocolError
	}
}
