// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"errors"
	"net/http"
	"reflect"
	"testing"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

// start runs a server with a Recorder.
func start(t *testing.T, o ws.ServerOptions) (*ws.Server, *mtptest.Recorder) {
	t.Helper()
	s, hub := newServer(t, o), mtptest.NewRecorder(t)
	mtptest.Start(t, s, hub)
	return s, hub
}

func protocols(values ...string) http.Header { return http.Header{"Sec-Websocket-Protocol": values} }
func extension(values ...string) http.Header { return http.Header{"Sec-Websocket-Extensions": values} }

func TestSubprotocol_R_WS_11_R_WS_12a(t *testing.T) {
	t.Parallel()
	s, hub := start(t, ws.ServerOptions{})
	vectors := []struct {
		name   string
		header http.Header
		status int
	}{
		{"alone", protocols("v1.usp"), 101},
		{"among others", protocols("chat, v1.usp"), 101},
		{"in a second line", protocols("chat", "v1.usp"), 101},
		{"another", protocols("v2.usp"), 400},
		{"other case", protocols("V1.USP"), 400},
		{"none", protocols(), 400},
	}
	for _, v := range vectors {
		_, resp := request(t, s.Addr(), "/usp?eid=os::a", v.header)
		if resp.StatusCode != v.status {
			t.Errorf("%s: got status %d, want %d", v.name, resp.StatusCode, v.status)
		}
		if resp.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		hub.Link()
		if got := resp.Header.Values("Sec-WebSocket-Protocol"); len(got) != 1 || got[0] != ws.Subprotocol {
			t.Errorf("%s: got subprotocol %q, want %q", v.name, got, ws.Subprotocol)
		}
	}
}

func TestEndpointOfPeer_R_WS_10b_R_WS_10c(t *testing.T) {
	t.Parallel()
	s, hub := start(t, ws.ServerOptions{})
	const ext = "bbf-usp-protocol; eid="
	vectors := []struct {
		name   string
		target string
		header http.Header
		status int
		want   usp.EndpointID
	}{
		{"query", "/usp?eid=doc::agent", nil, 101, "doc::agent"},
		{"query with escaped colons", "/usp?eid=doc%3A%3Aagent", nil, 101, "doc::agent"},
		{"query decoded once", "/usp?eid=doc::agent%2521", nil, 101, "doc::agent%21"},
		{"query among others", "/usp?a=b&eid=doc::agent&c", nil, 101, "doc::agent"},
		{"query twice alike", "/usp?eid=doc::agent&eid=doc::agent", nil, 101, "doc::agent"},
		{"slash after the path", "/usp/?eid=doc::agent", nil, 101, "doc::agent"},
		{"extension, quoted", "/usp", extension(ext + `"doc::agent"`), 101, "doc::agent"},
		{"extension, token", "/usp", extension(ext + "doc::agent"), 101, "doc::agent"},
		{"extension is not decoded", "/usp", extension(ext + `"doc::agent%2521"`), 101, "doc::agent%2521"},
		{"extension behind another", "/usp", extension(`x; y="a,b", ` + ext + "doc::agent"), 101, "doc::agent"},
		{"extension in a second line", "/usp", extension("x", ext+"doc::agent"), 101, "doc::agent"},
		{"both alike", "/usp?eid=doc::agent", extension(ext + "doc::agent"), 101, "doc::agent"},
		{"neither", "/usp", nil, 101, ""},
		{"extension without eid", "/usp", extension("bbf-usp-protocol"), 101, ""},
		{"empty", "/usp?eid=", nil, 101, ""},
		{"both, different", "/usp?eid=doc::a", extension(ext + "doc::b"), 400, ""},
		{"query twice", "/usp?eid=doc::a&eid=doc::b", nil, 400, ""},
		{"query, bad escape", "/usp?eid=doc::a%2", nil, 400, ""},
		{"query, space", "/usp?eid=doc::%20a", nil, 400, ""},
		{"query, control character", "/usp?eid=doc::a%0d%0aX:%20y", nil, 400, ""},
		{"extension, unended quote", "/usp", extension(ext + `"doc::a`), 400, ""},
		{"other path", "/other?eid=doc::agent", nil, 404, ""},
		{"prefix of the path only", "/uspx?eid=doc::agent", nil, 404, ""},
	}
	for _, v := range vectors {
		_, resp := request(t, s.Addr(), v.target, v.header)
		if resp.StatusCode != v.status {
			t.Fatalf("%s: got status %d, want %d", v.name, resp.StatusCode, v.status)
		}
		if v.status != http.StatusSwitchingProtocols {
			continue
		}
		if got := hub.Link().Peer; got.Endpoint != v.want || got.Kind != mtp.WebSocket || !got.Loopback {
			t.Errorf("%s: got %+v, want Endpoint %q of a websocket on this host", v.name, got, v.want)
		}
	}
}

func TestAgentResource_R_WS_1(t *testing.T) {
	t.Parallel()
	s, hub := start(t, ws.ServerOptions{Path: "/gw/usp/", Endpoint: "self::gateway", Role: usp.RoleAgent})
	vectors := []struct {
		target   string
		status   int
		presents usp.EndpointID
		role     usp.Role
	}{
		{"/gw/usp?eid=self::c", 101, "", usp.RoleAgent},
		{"/gw/usp/agents/os::00D09E-1?eid=self::c", 101, "os::00D09E-1", usp.RoleController},
		{"/gw/usp/agents/os%3A%3A00D09E-1?eid=self::c", 101, "os::00D09E-1", usp.RoleController},
		{"/gw/usp/agents/os::00D09E-a%252Fb?eid=self::c", 101, "os::00D09E-a%2Fb", usp.RoleController},
		{"/gw/usp/agents/os::00D09E-a%2Fb?eid=self::c", 404, "", 0},
		{"/gw/usp/agents/?eid=self::c", 404, "", 0},
		{"/usp?eid=self::c", 404, "", 0},
	}
	for _, v := range vectors {
		_, resp := request(t, s.Addr(), v.target, nil)
		if resp.StatusCode != v.status {
			t.Fatalf("%s: got status %d, want %d", v.target, resp.StatusCode, v.status)
		}
		if v.status != http.StatusSwitchingProtocols {
			continue
		}
		if got := hub.Link().Peer; got.Presents != v.presents || got.Role != v.role {
			t.Errorf("%s: got %q for a %v, want %q for a %v", v.target, got.Presents, got.Role, v.presents, v.role)
		}
	}
}

// TestExtensionInAnswer_R_WS_11a: our own Endpoint ID is told only to those who
// ask with the extension; a peer disconnects if it is not the one it expects.
func TestExtensionInAnswer_R_WS_11a(t *testing.T) {
	t.Parallel()
	asks := extension(`bbf-usp-protocol; eid="doc::agent"`)
	vectors := []struct {
		name   string
		own    usp.EndpointID
		target string
		header http.Header
		want   string
	}{
		{"asked", "self::gateway", "/usp", asks, `bbf-usp-protocol; eid="self::gateway"`},
		{"asked for an Agent", "self::gateway", "/usp/agents/os::00D09E-1", asks, `bbf-usp-protocol; eid="os::00D09E-1"`},
		{"asked, none configured", "", "/usp", asks, ""},
		{"not asked", "self::gateway", "/usp?eid=doc::agent", nil, ""},
		{"asked by another extension", "self::gateway", "/usp", extension("permessage-deflate"), ""},
	}
	for _, v := range vectors {
		s, hub := start(t, ws.ServerOptions{Endpoint: v.own})
		_, resp := handshake(t, s.Addr(), v.target, v.header)
		hub.Link()
		if got := resp.Header.Get("Sec-WebSocket-Extensions"); got != v.want {
			t.Errorf("%s: got extension %q, want %q", v.name, got, v.want)
		}
	}
}

func TestAdmission(t *testing.T) {
	t.Parallel()
	errNo := errors.New("no")
	one := []usp.EndpointID{"os::00D09E-1"}
	auth := func(i mtp.Identity, err error) ws.AuthFunc {
		return func(*http.Request) (mtp.Identity, error) { return i, err }
	}
	password := mtp.Identity{Method: "password", IDs: one}
	trunk := []string{"os::00D09E-*"}
	patterns := func(p []string, a ws.AuthFunc) ws.ServerOptions {
		return ws.ServerOptions{LinkOptions: ws.LinkOptions{Patterns: p}, Auth: a}
	}
	shared := func(p []string, a ws.AuthFunc) ws.ServerOptions {
		o := patterns(p, a)
		o.Shared = true
		return o
	}
	vectors := []struct {
		name   string
		opts   ws.ServerOptions
		target string
		status int
		want   mtp.Peer
	}{
		{"claimed", ws.ServerOptions{}, "?eid=os::00D09E-1", 101, mtp.Peer{
			Endpoint: "os::00D09E-1", Identity: mtp.Identity{Method: "handshake"},
		}},
		{"not claimed", ws.ServerOptions{}, "", 101, mtp.Peer{Identity: mtp.Identity{Method: "none"}}},
		{"not claimed but required", ws.ServerOptions{RequireEndpoint: true}, "", 400, mtp.Peer{}},
		{"trunk", ws.ServerOptions{Shared: true}, "?eid=self::trunk", 101, mtp.Peer{
			Endpoint: "self::trunk", Shared: true, Identity: mtp.Identity{Method: "none", Any: true},
		}},
		{"trunk within patterns", shared(trunk, nil), "?eid=os::00D09E-7", 101, mtp.Peer{
			Endpoint: "os::00D09E-7", Shared: true, Identity: mtp.Identity{Method: "none", Patterns: trunk},
		}},
		{"trunk outside of patterns", shared(trunk, nil), "?eid=os::00D09F-7", 403, mtp.Peer{}},
		{"trunk with a password", shared(trunk, auth(password, nil)), "", 101, mtp.Peer{
			Shared: true, Identity: mtp.Identity{Method: "password", IDs: one, Patterns: trunk},
		}},
		{"claimed within patterns", patterns(trunk, nil), "?eid=os::00D09E-7", 101, mtp.Peer{
			Endpoint: "os::00D09E-7", Identity: mtp.Identity{Method: "handshake", Patterns: trunk},
		}},
		{"claimed outside of patterns", patterns(trunk, nil), "?eid=os::00D09F-7", 403, mtp.Peer{}},
		{"patterns add nothing to a password", patterns(trunk, auth(password, nil)), "?eid=os::00D09E-7", 403, mtp.Peer{}},
		{"an Agent's Controller", patterns(trunk, nil), "/agents/os::00D09E-7?eid=self::c", 101, mtp.Peer{
			Endpoint: "self::c", Presents: "os::00D09E-7", Role: usp.RoleController, Identity: mtp.Identity{Method: "handshake"},
		}},
		{"order", ws.ServerOptions{LinkOptions: ws.LinkOptions{Order: 3}}, "?eid=os::00D09E-1", 101, mtp.Peer{
			Endpoint: "os::00D09E-1", Order: 3, Identity: mtp.Identity{Method: "handshake"},
		}},
		{"password", ws.ServerOptions{Auth: auth(password, nil)}, "?eid=os::00D09E-1", 101, mtp.Peer{
			Endpoint: "os::00D09E-1", Identity: password,
		}},
		{"password names the Endpoint", ws.ServerOptions{Auth: auth(password, nil), RequireEndpoint: true}, "", 101, mtp.Peer{
			Endpoint: "os::00D09E-1", Identity: password,
		}},
		{"password of another", ws.ServerOptions{Auth: auth(password, nil)}, "?eid=os::00D09E-2", 403, mtp.Peer{}},
		{"wrong password", ws.ServerOptions{Auth: auth(mtp.Identity{}, errNo)}, "?eid=os::00D09E-1", 401, mtp.Peer{}},
		{"banned", ws.ServerOptions{Auth: auth(mtp.Identity{}, mtp.ErrForbidden)}, "?eid=os::00D09E-1", 403, mtp.Peer{}},
		{"overloaded", ws.ServerOptions{Auth: auth(mtp.Identity{}, mtp.ErrBusy)}, "?eid=os::00D09E-1", 503, mtp.Peer{}},
		{"origin", ws.ServerOptions{CheckOrigin: func(r *http.Request) bool {
			return r.Header.Get("Origin") == ""
		}}, "?eid=os::00D09E-1", 403, mtp.Peer{}},
		{
			"no Connect Records",
			ws.ServerOptions{LinkOptions: ws.LinkOptions{NoConnectRecords: true}},
			"?eid=os::00D09E-1", 101,
			mtp.Peer{
				Endpoint: "os::00D09E-1", Identity: mtp.Identity{Method: "handshake"}, NoConnectRecords: true,
			},
		},
	}
	for _, v := range vectors {
		s, hub := start(t, v.opts)
		_, resp := request(t, s.Addr(), "/usp"+v.target, nil)
		if resp.StatusCode != v.status {
			t.Fatalf("%s: got status %d, want %d", v.name, resp.StatusCode, v.status)
		}
		if got, want := resp.Header.Get("WWW-Authenticate") != "", v.status == 401; got != want {
			t.Errorf("%s: got a challenge %v, want %v", v.name, got, want)
		}
		if v.status != http.StatusSwitchingProtocols {
			continue
		}
		got, want := hub.Link().Peer, v.want
		want.Kind, want.Listener, want.Remote, want.Loopback = mtp.WebSocket, "ws", got.Remote, true
		want.MaxHold = ws.DefaultMaxHold
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", v.name, got, want)
		}
	}
}

// TestIdentityName: who was authenticated has a name.
func TestIdentityName(t *testing.T) {
	t.Parallel()
	vectors := []struct {
		name string
		auth ws.AuthFunc
		want string
	}{
		{"nobody", nil, ""},
		{"a user", func(*http.Request) (mtp.Identity, error) { return mtp.Identity{Method: "password"}, nil }, "x"},
		{"as Auth says", func(*http.Request) (mtp.Identity, error) {
			return mtp.Identity{Method: "password", Name: "somebody"}, nil
		}, "somebody"},
	}
	for _, v := range vectors {
		s, hub := start(t, ws.ServerOptions{Auth: v.auth})
		handshake(t, s.Addr(), "/usp?eid=os::a", http.Header{"Authorization": {"Basic eDp5"}})
		if got := hub.Link().Peer.Identity.Name; got != v.want {
			t.Errorf("%s: got name %q, want %q", v.name, got, v.want)
		}
	}
}

// TestSharedBinds: over a trunk only Bind says whom it reaches.
func TestSharedBinds(t *testing.T) {
	t.Parallel()
	s, hub := start(t, ws.ServerOptions{Shared: true, Role: usp.RoleController})
	conn, _ := handshake(t, s.Addr(), "/usp?eid=self::trunk", nil)
	p := hub.Link()
	rec := mtptest.Record("self::trunk", "os::a", "after Bind", 0)
	if _, err := conn.Write(frame(finalBit|opBinary, rec)); err != nil {
		t.Fatalf("write: got %v, want nil", err)
	}
	p.Next()
	bound := p.Bound()
	if _, ok := bound[usp.Address{ID: "self::trunk", Role: usp.RoleController}]; !ok || len(bound) != 1 {
		t.Fatalf("bound: got %v, want self::trunk (controller)", bound)
	}
}
