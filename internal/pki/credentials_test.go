// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/pki"
	"github.com/uspgate/uspgate/internal/pki/pkitest"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

const agentID = usp.EndpointID("ops::00D09E-DSL%2F100-1")

// strictController is a Controller that listens on WebSocket and processes a
// Record only if the client's certificate names its from_id [R-SEC.0a].
func strictController(t *testing.T, all *set) (*ws.Server, *mtptest.Recorder) {
	t.Helper()
	up := mtptest.NewRecorder(t)
	up.OnLinkUp = func(p *mtptest.Port) {
		p.RefuseRecords(func(rec usp.Record) error {
			if p.Peer.Identity.Method != "certificate" || !p.Peer.Identity.Allows(rec.Header().From) {
				return mtp.ErrForbidden
			}
			return nil
		})
	}
	own := source(t, pki.Options{Files: all.files})
	s, err := ws.NewServer(ws.ServerOptions{
		LinkOptions: ws.LinkOptions{CloseTimeout: time.Second},
		Listen:      "127.0.0.1:0", Role: usp.RoleAgent, TLS: own.ServerConfig(),
	})
	if err != nil {
		t.Fatalf("NewServer: got %v, want nil", err)
	}
	mtptest.Start(t, s, up)
	return s, up
}

// dial connects to the Controller in the name of id, which the URL may claim.
func dial(t *testing.T, s *ws.Server, c pki.Credentials, claim, named usp.EndpointID) *mtptest.Recorder {
	t.Helper()
	conf, err := c.ClientFor(named)
	if err != nil {
		t.Fatalf("ClientFor: got %v, want nil", err)
	}
	client, err := ws.NewClient(ws.ClientOptions{
		LinkOptions: ws.LinkOptions{CloseTimeout: time.Second},
		URL:         "wss://" + s.Addr() + "/usp", Endpoint: claim, Peer: "self::controller",
		Role: usp.RoleController, TLS: conf,
		GiveUp: func(err error) error { return errors.Join(errRefused, err) },
	})
	if err != nil {
		t.Fatalf("NewClient: got %v, want nil", err)
	}
	up := mtptest.NewRecorder(t)
	mtptest.Start(t, client, up)
	return up
}

var errRefused = errors.New("refused")

// TestStrictController_R_SEC_0a: a Controller that holds every from_id against
// the certificate takes the Records of Virtual Agents.
func TestStrictController_R_SEC_0a(t *testing.T) {
	t.Parallel()
	all := newSet(t)
	s, controller := strictController(t, all)
	_ = s
	_ = controller
	_ = filepath.Join
	_ = pkitest.Write
}
