// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

const fleetSize = 200

func fleetAgent(i int) usp.Address {
	return usp.Address{ID: usp.EndpointID(fmt.Sprintf("os::00D09E-%%%d", i)), Role: usp.RoleAgent}
}

// fleet is a Fleet of Agents and the server of their Controller.
type fleet struct {
	*mtp.Fleet
	hub, agents *mtptest.Recorder
}

// startFleet connects fleetSize Agents with a Controller, at a rate per second.
func startFleet(t *testing.T, rate float64) *fleet {
	t.Helper()
	fast := ws.LinkOptions{CloseTimeout: time.Second}
	s, hub := start(t, ws.ServerOptions{LinkOptions: fast, Role: usp.RoleAgent})
	f, err := mtp.NewFleet(mtp.FleetOptions{
		Name: "controller", Rate: rate, Burst: 1,
		New: func(m mtp.FleetMember) (mtp.Transport, error) {
			return ws.NewClient(ws.ClientOptions{
				LinkOptions: fast, URL: "ws://" + s.Addr() + "/usp", Endpoint: m.Address.ID, Peer: "self::c",
				Role: usp.RoleController, Hold: m.Hold, Retry: mtp.BackoffOptions{Interval: 10 * time.Millisecond},
			})
		},
	})
	if err != nil {
		t.Fatalf("NewFleet: got %v, want nil", err)
	}
	for i := range fleetSize {
		f.Represent(fleetAgent(i))
	}
	agents := mtptest.NewRecorder(t)
	mtptest.Start(t, f, agents)
	return &fleet{f, hub, agents}
}

// ports waits for all Agents and returns the Ports at the Controller and those
// of the Fleet by the Agent's Endpoint ID.
func (f *fleet) ports() (north, south map[usp.EndpointID]*mtptest.Port) {
	north, south = map[usp.EndpointID]*mtptest.Port{}, map[usp.EndpointID]*mtptest.Port{}
	for range fleetSize {
		p := f.hub.Link()
		north[p.Peer.Endpoint] = p
		p = f.agents.Link()
		south[p.Peer.Presents] = p
	}
	return north, south
}

// TestFleet_R_WS_4: every Agent has one session of its own with the Controller.
func TestFleet_R_WS_4(t *testing.T) {
	t.Parallel()
	f := startFleet(t, -1)
	north, south := f.ports()
	for i := range fleetSize {
		id := fleetAgent(i).ID
		if north[id] == nil || south[id] == nil || south[id].Peer.Endpoint != "self::c" {
			t.Fatalf("%s: got no session of its own with the Controller", id)
		}
		rec := mtptest.Record(id, "self::c", "from "+string(id), 0)
		south[id].Send(rec, mtp.Hint{})
		if got := north[id].Next().Record; !bytes.Equal(got.Bytes(), rec) {
			t.Fatalf("%s: got Record %x, want %x", id, got.Bytes(), rec)
		}
	}
	f.Withdraw(fleetAgent(0))
	if cause := north[fleetAgent(0).ID].WaitDown(); cause == nil {
		t.Error("cause: got nil, want the Close frame of the Agent")
	}
	f.Represent(fleetAgent(0))
	if got := f.Members(); got != fleetSize {
		t.Errorf("members: got %d, want %d", got, fleetSize)
	}
}

// TestFleetRedials: a Controller that closes all sessions at once gets them
// back at the Fleet's pace.
func TestFleetRedials(t *testing.T) {
	t.Parallel()
	const rate = 400
	f := startFleet(t, rate)
	north, _ := f.ports()
	begin := time.Now()
	for _, p := range north {
		p.Link.Close(mtp.ErrDraining)
	}
	north, south := f.ports()
	if len(north) != fleetSize || len(south) != fleetSize {
		t.Fatalf("Agents after the restart: got %d and %d, want %d", len(north), len(south), fleetSize)
	}
	if got, least := time.Since(begin), time.Second*(fleetSize-1)/rate; got < least {
		t.Errorf("all dialled within %v, want at least %v", got, least)
	}
}
