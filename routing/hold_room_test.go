// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"slices"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/routing/buffer"
)

func TestRoomIsUsedAtOnce(t *testing.T) {
	t.Run("purge", func(t *testing.T) {
		bubble(t, routing.Options{}, buffer.Limits{MaxRecords: 1}, 1, func(w *full) {
			t := w.t
			tok := w.c.send(msg("self::filler", agentID, "x"))
			w.c.unsettled(tok)
			if _, err := w.PurgeQueue(t.Context(), agentLane); err != nil {
				t.Fatal(err)
			}
			sleep(20 * time.Millisecond)
			w.c.wantAck(tok, nil)
		})
	})
	t.Run("in all", func(t *testing.T) {
		bubble(t, routing.Options{}, buffer.Limits{TotalRecords: 1}, 1, func(w *full) {
			t := w.t
			tok := w.c.send(msg("self::filler", otherAgent, "x"))
			w.c.unsettled(tok)
			a := up(t, w.Router, agentPeer(agentID))
			a.deliver(1)
			sleep(20 * time.Millisecond)
			w.c.wantAck(tok, nil)
			w.want("uspgate_held_total stored", 1)
		})
	})
	t.Run("expiry", func(t *testing.T) {
		limits := buffer.Limits{MaxRecords: 1, MaxAge: time.Second}
		bubble(t, routing.Options{}, limits, 1, func(w *full) {
			tok := w.c.send(msg("self::filler", agentID, "x"))
			sleep(1900 * time.Millisecond)
			w.c.wantAck(tok, nil)
		})
	})
	t.Run("the receiver", func(t *testing.T) { // though there is none for it in the buffer
		bubble(t, routing.Options{}, buffer.Limits{TotalRecords: 1}, 1, func(w *full) {
			t := w.t
			first := w.c.send(msg("self::filler", otherAgent, "1"))
			second := w.c.send(msg("self::filler", otherAgent, "2"))
			w.c.unsettled(first, second)
			b := up(t, w.Router, agentPeer(otherAgent))
			w.c.unsettled(first, second)
			third := w.c.send(msg("self::filler", otherAgent, "3"))
			b.deliver(3)
			if got, want := texts(b.received()), []string{"1", "2", "3"}; !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			for _, tok := range []mtp.Token{first, second, third} {
				w.c.wantAck(tok, nil)
			}
			w.want("uspgate_held_total sent", 2)
		})
	})
}

// silentQueue does not tell when there is room.
type silentQueue struct{ buffer.Queue }

func TestRoomIsLookedForWhereTheBufferDoesNotTell(t *testing.T) {
	mem, err := buffer.NewMemory(buffer.MemoryOptions{Limits: buffer.Limits{TotalRecords: 1}})
	if err != nil {
		t.Fatal(err)
	}
	bubble(t, routing.Options{Buffer: silentQueue{mem}}, buffer.Limits{}, 1, func(w *full) {
		t := w.t
		tok := w.c.send(msg("self::filler", otherAgent, "x"))
		w.c.unsettled(tok)
		a := up(t, w.Router, agentPeer(agentID))
		a.deliver(1)
		sleep(routing.DefaultRetryAfter)
		w.c.wantAck(tok, nil)
	})
}
