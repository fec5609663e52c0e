// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/uds"
)

const tooLarge = "the frame or the Record is too large"

// TestMaxRecord: exactly the limit passes, one byte more is refused by its
// length already.
func TestMaxRecord(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{0, 70_000, 100} {
		s, hub := start(t, uds.ServerOptions{LinkOptions: uds.LinkOptions{MaxRecord: limit}})
		conn := shakeHands(t, s.Addr(), mtptest.Agent)
		p := hub.Link()
		if limit == 0 {
			limit = 5 << 20
		}
		raw := mtptest.Record(mtptest.Agent, mtptest.Controller, "fits", limit)
		send(t, conn, record(raw))
		wantRecord(t, p, raw)
		send(t, conn, record(append(raw, 0))[:13])
		wantError(t, conn, tooLarge)
		if err := p.WaitDown(); !errors.Is(err, mtp.ErrTooLarge) {
			t.Fatalf("cause: got %v, want %v", err, mtp.ErrTooLarge)
		}
	}
}

// TestMaxFrame bounds a frame whatever is in it.
func TestMaxFrame(t *testing.T) {
	t.Parallel()
	s, hub := start(t, uds.ServerOptions{LinkOptions: uds.LinkOptions{MaxFrame: 1000}})
	conn := shakeHands(t, s.Addr(), mtptest.Agent)
	p := hub.Link()
	send(t, conn, frame(tlv(9, make([]byte, 995))))
	raw := mtptest.Record(mtptest.Agent, mtptest.Controller, "after", 0)
	send(t, conn, record(raw))
	wantRecord(t, p, raw)
	send(t, conn, frame(tlv(9, make([]byte, 996)))[:13])
	wantError(t, conn, tooLarge)
}

// TestFrameTimeout: what has begun must come, what has not need not; waiting for
// the router does not count.
func TestFrameTimeout(t *testing.T) {
	t.Parallel()
	raw := mtptest.Record(mtptest.Agent, mtptest.Controller, "x", 30_000)
	whole := record(raw)
	for _, cut := range []int{1, 8, 10, 13, 20, 64, len(whole) - 1} {
		s, hub := start(t, uds.ServerOptions{LinkOptions: uds.LinkOptions{FrameTimeout: 50 * time.Millisecond}})
		conn := shakeHands(t, s.Addr(), mtptest.Agent)
		p := hub.Link()
		<-time.After(100 * time.Millisecond) // idle for longer than that
		send(t, conn, whole)
		wantRecord(t, p, raw)
		send(t, conn, whole[:cut])
		wantError(t, conn, "not a USP frame or not a USP Record")
		if err := p.WaitDown(); !errors.Is(err, mtp.ErrMalformed) {
			t.Fatalf("cut at %d: got %v, want %v", cut, err, mtp.ErrMalformed)
		}
	}
}

// TestFrameTimeoutInAccept: a frame of many Records may take long if it is the
// router that takes long.
func TestFrameTimeoutInAccept(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	hub.Hold, hub.Window = true, 1
	s := newServer(t, uds.ServerOptions{LinkOptions: uds.LinkOptions{
		FrameTimeout: 50 * time.Millisecond, CloseTimeout: 100 * time.Millisecond,
	}})
	mtptest.Start(t, s, hub)
	conn := shakeHands(t, s.Addr(), mtptest.Agent)
	p := hub.Link()
	raw := mtptest.Record(mtptest.Agent, mtptest.Controller, "x", 30_000)
	send(t, conn, frame(bytes.Repeat(tlv(recordType, raw), 3)))
	for range 3 {
		wantRecord(t, p, raw)
		<-time.After(100 * time.Millisecond)
		p.Release(1, nil)
	}
}

// TestStall: a peer that takes nothing is gone in the end.
func TestStall(t *testing.T) {
	t.Parallel()
	s, hub := start(t, uds.ServerOptions{LinkOptions: uds.LinkOptions{StallTimeout: 100 * time.Millisecond}})
	shakeHands(t, s.Addr(), mtptest.Agent)
	p := hub.Link()
	raw := mtptest.Record(mtptest.Controller, mtptest.Agent, "x", 1<<20)
	for {
		_, err := p.Enqueue(raw, mtp.Hint{})
		if errors.Is(err, mtp.ErrFull) || errors.Is(err, mtp.ErrLinkDown) {
			break
		}
	}
	if err := p.WaitDown(); err == nil || err.Error() != "uds: write: uds: the peer takes nothing" {
		t.Fatalf("cause: got %v, want that the peer takes nothing", err)
	}
}

// TestPromisedLength: memory grows with what has arrived, not with what a length
// promises.
func TestPromisedLength(t *testing.T) { //nolint:paralleltest // it reads the memory of the whole process
	const connections = 50
	s, hub := start(t, uds.ServerOptions{})
	head := binary.BigEndian.AppendUint32([]byte("_USP"), 5<<20)
	head = binary.BigEndian.AppendUint32(append(head, recordType), 5<<20-5)
	conns := make([]net.Conn, connections)
	before := used()
	for i := range conns {
		conns[i] = shakeHands(t, s.Addr(), mtptest.Agent)
		send(t, conns[i], append(head, make([]byte, 100)...))
		hub.Link()
	}
	<-time.After(100 * time.Millisecond) // the servers' readers wait by then
	if got := (used() - before) / connections; got > 200<<10 {
		t.Fatalf("memory for a promise of 5 MiB: got %d bytes, want at most 200 KiB", got)
	}
	runtime.KeepAlive(conns)
}
