// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/stomp"
	"github.com/uspgate/uspgate/usp"
)

// TestConnect is the first frame and its answer [R-STOMP.2 to R-STOMP.9].
func TestConnect(t *testing.T) {
	t.Parallel()
	addr := serve(t, stomp.ServerOptions{Role: usp.RoleAgent}, mtptest.NewRecorder(t))
	const v12, eid = "accept-version:1.2", "endpoint-id:os::1"
	tests := map[string]struct {
		frame   []byte
		version string
		unnamed bool
	}{
		"STOMP":             {rawFrame("STOMP", nil, v12, "host:x", `endpoint-id:os\c\c1`), "1.2", false},
		"CONNECT":           {rawFrame("CONNECT", nil, v12, "host:x", `endpoint-id:os\c\c1`), "1.2", false},
		"not escaped":       {rawFrame("STOMP", nil, v12, "host:x", eid), "1.2", false},
		"both versions":     {rawFrame("STOMP", nil, "accept-version:1.0,1.1, 1.2", eid), "1.2", false},
		"version 1.1":       {rawFrame("CONNECT", nil, "accept-version:1.1,1.0", eid), "1.1", false},
		"no endpoint-id":    {rawFrame("STOMP", nil, v12, "host:x"), "1.2", true},
		"CR LF":             {[]byte("STOMP\r\naccept-version:1.2\r\nendpoint-id:os::1\r\n\r\n\x00"), "1.2", false},
		"line ends before":  {append([]byte("\n\r\n"), rawFrame("STOMP", nil, v12, eid)...), "1.2", false},
		"first value":       {rawFrame("STOMP", nil, v12, eid, "endpoint-id:os::2"), "1.2", false},
		"undefined escapes": {rawFrame("STOMP", nil, v12, `passcode:a\tb`, eid), "1.2", false},
		"heart-beat":        {rawFrame("STOMP", nil, v12, "heart-beat:500,99999", eid), "1.2", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := dial(t, addr)
			p.write(tt.frame)
			f := p.want("CONNECTED")
			if f.headers["version"] != tt.version || f.headers["heart-beat"] != "1000,60000" ||
				f.headers["session"] == "" || f.headers["server"] != "uspgate" {
				t.Errorf("CONNECTED: got %q", f.raw)
			}
			got, named := f.headers["subscribe-dest"]
			if named == tt.unnamed || named && got != agentDest("os::1") {
				t.Errorf("subscribe-dest: got %q, want %q", got, agentDest("os::1"))
			}
		})
	}
}

func TestConnectRefused(t *testing.T) {
	t.Parallel()
	auth := func(l stomp.Login) (mtp.Identity, error) {
		switch {
		case l.Password == "busy":
			return mtp.Identity{}, mtp.ErrBusy
		case l.Username != "u:1" || l.Password != `p\c:`:
			return mtp.Identity{}, errors.New("wrong")
		}
		return mtp.Identity{Method: "password", IDs: []usp.EndpointID{"os::1"}, Name: l.Username}, nil
	}
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{Role: usp.RoleAgent, Auth: auth}, hub)
	good, long := []string{"accept-version:1.2", "login:u:1", `passcode:p\c:`}, strings.Repeat("e", 600)
	tests := map[string]struct {
		frame []byte
		text  string
	}{
		"version 1.0":          {rawFrame("CONNECT", nil, "login:u:1", `passcode:p\c:`), "versions"},
		"version 2.0":          {rawFrame("STOMP", nil, "accept-version:2.0"), "versions"},
		"no login":             {rawFrame("STOMP", nil, "accept-version:1.2"), "passcode is wrong"},
		"wrong passcode":       {rawFrame("STOMP", nil, good[0], good[1], "passcode:p::"), "passcode is wrong"},
		"busy":                 {rawFrame("STOMP", nil, good[0], good[1], "passcode:busy"), "try again later"},
		"another's Endpoint":   {rawFrame("STOMP", nil, append(good, "endpoint-id:os::2")...), "not allowed"}, // [R-SEC.4c]
		"long endpoint-id":     {rawFrame("STOMP", nil, append(good, "endpoint-id:"+long)...), "too long"},
		"control characters":   {rawFrame("STOMP", nil, append(good, `endpoint-id:a\nb`)...), "endpoint-id"},
		"heart-beat alone":     {rawFrame("STOMP", nil, append(good, "heart-beat:1000")...), "heart-beat"},
		"heart-beat of three":  {rawFrame("STOMP", nil, append(good, "heart-beat:1,2,3")...), "heart-beat"},
		"negative heart-beat":  {rawFrame("STOMP", nil, append(good, "heart-beat:-1,2")...), "heart-beat"},
		"heart-beat of commas": {rawFrame("STOMP", nil, append(good, "heart-beat:,")...), "heart-beat"},
		"not the first frame":  {sendFrame(nil), "neither STOMP nor CONNECT"},
		"a Record first":       {sendFrame(record(agent, controller, 1)), "larger than 0"},
		"a body":               {rawFrame("STOMP", []byte("body"), append(good, "content-length:4")...), "body"},
		"HTTP":                 {[]byte("GET / HTTP/1.1\r\n\r\n"), "command"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := dial(t, addr)
			p.write(tt.frame)
			f := p.wantError(tt.text)
			if v := f.headers["version"]; strings.HasPrefix(name, "version") != (v == "1.1,1.2") {
				t.Errorf("version: got %q", v)
			}
		})
	}
	p := dial(t, addr)
	p.write(rawFrame("STOMP", nil, good...), subscribeFrame("0", agentDest("os::1")))
	if got := p.want("CONNECTED").headers["subscribe-dest"]; got != agentDest("os::1") {
		t.Errorf("subscribe-dest: got %q, want that of the authenticated", got)
	}
	got := hub.Link().Peer
	if got.Endpoint != "os::1" || got.Identity.Name != "u:1" || got.Role != usp.RoleAgent || !got.Loopback ||
		got.Kind != mtp.STOMP || got.Listener != "stomp" {
		t.Errorf("Peer: got %+v", got)
	}
}
