// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

var agentLane = buffer.Lane{To: usp.Address{ID: agentID, Role: usp.RoleAgent}}

func payloads(items []buffer.Item) []string {
	var s []string
	for i := range items {
		s = append(s, string(items[i].Record.Header().Payload))
	}
	return s
}

func TestShowQueueTakesNothingOut(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{
		Routes:  []routing.Route{{Match: string(agentID), Role: usp.RoleAgent}},
		Aliases: []routing.Alias{{Alias: "os::other-name", Endpoint: agentID}},
	})
	c := up(t, r, controllerPeer(controllerID))
	for i := range 4 {
		c.wantAck(c.send(msg(controllerID, agentID, fmt.Sprint(i))), nil)
	}
	byAlias := buffer.Lane{To: usp.Address{ID: "os::other-name", Role: usp.RoleAgent}}
	for _, tc := range []struct {
		lane  buffer.Lane
		limit int
		want  []string
	}{
		{agentLane, 10, []string{"0", "1", "2", "3"}},
		{byAlias, 2, []string{"0", "1"}},
		{agentLane, 0, nil},
		{buffer.Lane{To: usp.Address{ID: otherAgent}}, 5, nil},
	} {
		got, err := r.ShowQueue(t.Context(), tc.lane, tc.limit)
		if err != nil || !slices.Equal(payloads(got), tc.want) {
			t.Errorf("ShowQueue(%v, %d): got %v, %v, want %v", tc.lane, tc.limit, payloads(got), err, tc.want)
		}
	}
	a := up(t, r, agentPeer(agentID))
	a.deliver(4)
}

func TestPurgeQueueWhileItIsSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t, routing.Options{
			Routes: []routing.Route{{Match: string(agentID), Role: usp.RoleAgent}}, DrainRecords: 4,
		})
		c := up(t, r, controllerPeer(controllerID))
		for i := range 10 {
			c.send(msg(controllerID, agentID, fmt.Sprint(i)))
		}
		a := up(t, r, agentPeer(agentID))
		synctest.Wait()
		if got := a.outstanding(); got != 4 {
			t.Fatalf("got %d Records under way, want 4", got)
		}
		n, err := r.PurgeQueue(t.Context(), agentLane)
		if err != nil || n != 10 {
			t.Fatalf("PurgeQueue: got %d, %v, want 10, nil", n, err)
		}
		tok := c.send(msg(controllerID, agentID, "after"))
		a.settle(0, nil)
		a.settle(0, mtp.ErrBusy) // it is not there any more
		for range 4 {
			for a.outstanding() > 0 {
				a.settle(0, nil)
			}
			<-time.After(time.Second)
			synctest.Wait()
		}
		c.wantAck(tok, nil)
		if got, want := texts(a.received()), []string{"0", "2", "3", "after"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if drops := r.Drops(); len(drops) != 1 || drops[0].Records != n || drops[0].Reason != buffer.ReasonPurged {
			t.Errorf("Drops: got %+v, want one of %d Records, purged", drops, n)
		}
	})
}

func TestQueuesOfAnotherNodeSaySo(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{Buffer: elsewhere{}})
	if _, err := r.PurgeQueue(t.Context(), agentLane); !errors.Is(err, buffer.ErrNotOwned) {
		t.Errorf("PurgeQueue: got %v, want %v", err, buffer.ErrNotOwned)
	}
	if _, err := r.ShowQueue(t.Context(), agentLane, 1); !errors.Is(err, buffer.ErrNotOwned) {
		t.Errorf("ShowQueue: got %v, want %v", err, buffer.ErrNotOwned)
	}
	if got := r.Drops(); got != nil {
		t.Errorf("Drops: got %v, want none", got)
	}
}

// elsewhere is a Queue that owns nothing.
type elsewhere struct{ buffer.Queue }

func (elsewhere) Lanes() []buffer.Lane { return nil }

func (elsewhere) Read(context.Context, buffer.Lane, uint64, int, int64) ([]buffer.Item, error) {
	return nil, buffer.ErrNotOwned
}

func (elsewhere) Purge(context.Context, buffer.Lane) (int, error) { return 0, buffer.ErrNotOwned }
