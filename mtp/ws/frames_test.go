// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp/mtptest"
)

// inFrame is one frame as it was read; key is nil if it was not masked.
type inFrame struct {
	first   byte
	key     []byte
	payload []byte
}

// readFrame reads one frame by hand.
func readFrame(tb testing.TB, conn net.Conn) inFrame {
	tb.Helper()
	f, err := nextFrame(conn)
	if err != nil {
		tb.Fatalf("read a frame: got %v, want one", err)
	}
	return f
}

func nextFrame(conn net.Conn) (inFrame, error) {
	if err := conn.SetReadDeadline(time.Now().Add(mtptest.Timeout)); err != nil {
		return inFrame{}, err
	}
	head := make([]byte, 2)
	if _, err := io.ReadFull(conn, head); err != nil {
		return inFrame{}, err
	}
	f := inFrame{first: head[0]}
	length := int(head[1] &^ maskBit)
	if extra := map[int]int{126: 2, 127: 8}[length]; extra > 0 {
		b := make([]byte, 8)
		if _, err := io.ReadFull(conn, b[8-extra:]); err != nil {
			return inFrame{}, err
		}
		length = int(binary.BigEndian.Uint64(b))
	}
	if head[1]&maskBit != 0 {
		f.key = make([]byte, 4)
		if _, err := io.ReadFull(conn, f.key); err != nil {
			return inFrame{}, err
		}
	}
	f.payload = make([]byte, length)
	if _, err := io.ReadFull(conn, f.payload); err != nil {
		return inFrame{}, err
	}
	for i := range f.payload {
		if f.key != nil {
			f.payload[i] ^= f.key[i%4]
		}
	}
	return f, nil
}

// wantClose reads until a Close frame, wants its status and that the
// connection ends after the answer to it.
func wantClose(tb testing.TB, conn net.Conn, code int) {
	tb.Helper()
	for {
		f := readFrame(tb, conn)
		if f.first != finalBit|opClose {
			continue
		}
		got := -1
		if len(f.payload) >= 2 {
			got = int(binary.BigEndian.Uint16(f.payload))
		}
		if got != code {
			tb.Fatalf("Close: got status %d (%q), want %d", got, f.payload, code)
		}
		break
	}
	if _, err := conn.Write(frame(finalBit|opClose, binary.BigEndian.AppendUint16(nil, uint16(code)))); err != nil {
		return // the other side has closed already, which is what was to follow
	}
	wantEnd(tb, conn)
}

// wantEnd wants that nothing more comes and the connection ends.
func wantEnd(tb testing.TB, conn net.Conn) {
	tb.Helper()
	f, err := nextFrame(conn)
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		tb.Fatalf("after the end: got %+v %v, want a closed connection", f, err)
	}
}
