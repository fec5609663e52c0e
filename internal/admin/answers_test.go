// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/admin"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// started is a Server that shows one of everything, and its token.
func started(t *testing.T) (*admin.Server, string) {
	t.Helper()
	r := router(t)
	l := &link{}
	port, err := r.LinkUp(l, mtp.Peer{
		Kind: mtp.WebSocket, Listener: "ws", Endpoint: "self::controller", Role: usp.RoleController,
	})
	if err != nil {
		t.Fatalf("LinkUp: got %v, want nil", err)
	}
	l.port = port
	t.Cleanup(func() { port.Down(nil) })
	rec, err := usp.NewRecord(mtptest.Record("self::controller", "os::00D09E-later", "x", 0))
	if err != nil {
		t.Fatalf("Record: got %v, want nil", err)
	}
	port.Accept(rec, mtp.Hint{}, 1) // waits in the buffer
	token, path := tokenOf(t)
	return serve(t, admin.Options{TokenFile: path, Router: r, Version: "v1.2.3"}), token
}

// get decodes an answer with status 200.
func get(t *testing.T, s *admin.Server, token, path string, v any) {
	t.Helper()
	got := ask(t, s, token, path, nil)
	if got.status != 200 || got.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: got %d %v %s, want 200", path, got.status, got.header, got.body)
	}
	if err := json.Unmarshal([]byte(got.body), v); err != nil {
		t.Fatalf("%s: got %v, want JSON", path, err)
	}
}

// TestEndpoints: an array as SURFACE has it.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	s, token := started(t)
	var list []routing.EndpointInfo
	get(t, s, token, "/api/v1/endpoints", &list)
	var got []string
	for _, e := range list {
		got = append(got, strings.Join([]string{string(e.EndpointID), e.Role, e.Kind, string(e.MTP), string(e.State)}, " "))
	}
	want := []string{
		"os::00D09E-1 agent link websocket online",
		"os::00D09E-later agent static  unknown",
		"self::controller controller link websocket online",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	var fields []map[string]any
	get(t, s, token, "/api/v1/endpoints?endpoint_id=os::00D09E-1", &fields)
	if len(fields) != 1 {
		t.Fatalf("one: got %v, want one", fields)
	}
	names := slices.Sorted(maps.Keys(fields[0]))
	if want := []string{"endpoint_id", "kind", "last_seen", "mtp", "role", "state"}; !slices.Equal(names, want) {
		t.Errorf("fields: got %q, want %q", names, want)
	}
	for _, path := range []string{"/api/v1/endpoints?endpoint_id=os::x", "/api/v1/endpoints?endpoint_id="} {
		if got := ask(t, s, token, path, nil); got.body != "[]\n" {
			t.Errorf("%s: got %q, want []", path, got.body)
		}
	}
}

// TestRoutes: routes, rules and aliases in order.
func TestRoutes(t *testing.T) {
	t.Parallel()
	s, token := started(t)
	got := ask(t, s, token, "/api/v1/routes", nil)
	want := `{"routes":[{"match":"os::00D09E-later","role":"agent","transit":false},` +
		`{"match":"ops::*","role":"unknown","via":"up","fallback":["up2"],"destination":"usp/{endpoint_id}",` +
		`"allow_from":["self::*"],"transit":false}],` +
		`"rules":[{"from":"self::guest","to":"*","role":"agent","deny":true}],` +
		`"aliases":[{"alias":"self::nick","endpoint_id":"os::00D09E-1"}]}` + "\n"
	if got.body != want {
		t.Errorf("got %s, want %s", got.body, want)
	}
}

// TestExplain: data and the sentences that the router has for it.
func TestExplain(t *testing.T) {
	t.Parallel()
	s, token := started(t)
	vectors := []struct {
		query string
		want  []routing.Verdict
	}{
		{"endpoint_id=os::00D09E-1&role=agent", []routing.Verdict{routing.Forwarded}},
		{"endpoint_id=os::00D09E-1&role=agent&from=self::guest", []routing.Verdict{routing.Refused}},
		{"endpoint_id=self::nick&role=agent", []routing.Verdict{routing.Forwarded}},
		{"endpoint_id=os::00D09E-later&role=agent", []routing.Verdict{routing.Buffered}},
		{"endpoint_id=os::00D09E-1", []routing.Verdict{routing.Forwarded, routing.Refused}},
		{"endpoint_id=a%2525b&role=unknown", []routing.Verdict{routing.Refused, routing.Refused}},
	}
	for _, v := range vectors {
		var list []admin.Explanation
		get(t, s, token, "/api/v1/routes/explain?"+v.query, &list)
		var got []routing.Verdict
		for _, x := range list {
			got = append(got, x.Verdict)
			if x.Text != x.String() || !strings.Contains(x.Text, string(x.EndpointID)) {
				t.Errorf("%s: got text %q, want %q", v.query, x.Text, x.String())
			}
		}
		if !slices.Equal(got, v.want) {
			t.Errorf("%s: got %v, want %v", v.query, got, v.want)
		}
	}
}

// TestQueues: what waits, and nothing else.
func TestQueues(t *testing.T) {
	t.Parallel()
	s, token := started(t)
	var list []routing.QueueInfo
	get(t, s, token, "/api/v1/queues", &list)
	if len(list) != 1 || list[0].EndpointID != "os::00D09E-later" || list[0].Role != "agent" ||
		list[0].Records != 1 || list[0].Bytes == 0 || list[0].Oldest.IsZero() {
		t.Errorf("got %+v, want the one Record for os::00D09E-later", list)
	}
}

// TestPurge: what waits is shown without its content, and dropped on POST only.
func TestPurge(t *testing.T) {
	t.Parallel()
	s, token := started(t)
	const of = "?endpoint_id=os::00D09E-later&role=agent"
	var items []admin.Item
	get(t, s, token, "/api/v1/queues/items"+of, &items)
	if len(items) != 1 || items[0].From != "self::controller" || items[0].Type != "no_session_context" ||
		items[0].Bytes == 0 || items[0].Since.IsZero() || items[0].Seq == 0 {
		t.Errorf("got %+v, want the one Record of self::controller", items)
	}
	if got := ask(t, s, token, "/api/v1/queues/purge"+of, nil); got.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: got %d, want 405", got.status)
	}
	post := func(r *http.Request) { r.Method = http.MethodPost }
	for query, want := range map[string]string{
		"?endpoint_id=os::00D09E-later&role=controller": `{"records":0}`,
		"?endpoint_id=os::00D09E-later&from=self::x":    `{"records":0}`,
		"": `{"error":"the parameter endpoint_id says for which Endpoint"}`,
	} {
		if got := ask(t, s, token, "/api/v1/queues/purge"+query, post); strings.TrimSpace(got.body) != want {
			t.Errorf("%s: got %d %s, want %s", query, got.status, got.body, want)
		}
	}
	if got := ask(t, s, token, "/api/v1/queues/purge"+of, post); strings.TrimSpace(got.body) != `{"records":1}` {
		t.Errorf("got %d %s, want one Record purged", got.status, got.body)
	}
	get(t, s, token, "/api/v1/queues/items"+of, &items)
	if len(items) != 0 {
		t.Errorf("got %+v, want nothing left", items)
	}
	var drops []admin.Drop
	get(t, s, token, "/api/v1/queues/drops", &drops)
	if len(drops) != 1 || drops[0].EndpointID != "os::00D09E-later" || drops[0].Records != 1 || drops[0].Reason == "" {
		t.Errorf("got %+v, want the purge listed", drops)
	}
}

// TestNodes: none where there is one process only.
func TestNodes(t *testing.T) {
	t.Parallel()
	s, token := started(t)
	var nodes []admin.Node
	if get(t, s, token, "/api/v1/nodes", &nodes); nodes == nil || len(nodes) != 0 {
		t.Errorf("got %#v, want an empty list", nodes)
	}
}

// TestVersion: that of the program.
func TestVersion(t *testing.T) {
	t.Parallel()
	s, token := started(t)
	var got admin.Version
	get(t, s, token, "/api/v1/version", &got)
	if got.Version != "v1.2.3" || !strings.HasPrefix(got.GoVersion, "go1.") {
		t.Errorf("got %+v, want v1.2.3", got)
	}
}
