// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"testing"

	"github.com/uspgate/uspgate/internal/app"
	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// An unknown Controller is let in by what proves its Endpoint ID, not by its claim.
func TestWhoIsUntrusted(t *testing.T) {
	t.Parallel()
	named := []usp.EndpointID{"self::who"}
	for name, c := range map[string]struct {
		peer mtp.Peer
		want bool
	}{
		"certificate":        {mtp.Peer{Identity: mtp.Identity{Method: "certificate", IDs: named}}, true},
		"password":           {mtp.Peer{Identity: mtp.Identity{Method: "password", IDs: named}}, true},
		"password of anyone": {mtp.Peer{Identity: mtp.Identity{Method: "password"}}, false},
		"claim":              {mtp.Peer{Identity: mtp.Identity{Method: "handshake"}}, false},
		"bound, not proved":  {mtp.Peer{Identity: mtp.Identity{Method: "none", IDs: named}}, false},
		"on this host":       {mtp.Peer{Loopback: true, Identity: mtp.Identity{Method: "none"}}, true},
		"behind a broker":    {mtp.Peer{Shared: true, Identity: mtp.Identity{Method: "certificate", IDs: named}}, false},
	} {
		cfg := &config.Config{Controllers: []config.Controller{{EndpointID: "self::noc"}}}
		cfg.Translate.Unknown = config.Untrusted
		if got := app.Proven(cfg, &c.peer); got != c.want {
			t.Errorf("%s: got %t, want %t", name, got, c.want)
		}
		cfg.Translate.Unknown = config.Closed
		if app.Proven(cfg, &c.peer) {
			t.Errorf("%s: got let in where unknown ones are closed out", name)
		}
	}
}
