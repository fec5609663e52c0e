// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

// TestClientIdentity: what the far side of a client's Link may speak for.
func TestClientIdentity(t *testing.T) {
	t.Parallel()
	trunk := []string{"os::00D09E-*"}
	vectors := []struct {
		name string
		opts ws.ClientOptions
		want mtp.Identity
		none bool
	}{
		{"one peer", ws.ClientOptions{}, mtp.Identity{Method: "handshake"}, false},
		{"the peer", ws.ClientOptions{Peer: "os::00D09F-1"}, mtp.Identity{
			Method: "handshake", IDs: []usp.EndpointID{"os::00D09F-1"},
		}, false},
		{"many", ws.ClientOptions{Shared: true}, mtp.Identity{Method: "none", Any: true}, false},
		{"some", ws.ClientOptions{Shared: true, LinkOptions: ws.LinkOptions{Patterns: trunk}}, mtp.Identity{
			Method: "none", Patterns: trunk,
		}, false},
		{"another", ws.ClientOptions{LinkOptions: ws.LinkOptions{Patterns: trunk}}, mtp.Identity{}, true},
	}
	for _, v := range vectors {
		calls := make(chan struct{}, 100)
		addr := acceptor(t, func(c *peerConn) {
			c.answer("Sec-WebSocket-Extensions: bbf-usp-protocol; eid=\"os::00D09F-1\"\r\n")
			calls <- struct{}{}
			untilEnd(c)
		})
		v.opts.URL, v.opts.Endpoint, v.opts.CloseTimeout = "ws://"+addr, "self::c", 10*time.Millisecond
		v.opts.Retry = mtp.BackoffOptions{Interval: time.Millisecond, Multiplier: 1000}
		hub := mtptest.NewRecorder(t)
		running := mtptest.Start(t, newClient(t, v.opts), hub)
		if v.none {
			for range 3 {
				<-calls
			}
			if got := hub.Links(); got != 0 {
				t.Errorf("%s: got %d Links, want 0", v.name, got)
			}
		} else if got := hub.Link().Peer.Identity; !reflect.DeepEqual(got, v.want) {
			t.Errorf("%s: got %+v, want %+v", v.name, got, v.want)
		}
		running.Stop(t)
	}
}
