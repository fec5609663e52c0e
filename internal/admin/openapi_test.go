// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// document is as much of OpenAPI as openapi.json uses.
type document struct {
	OpenAPI string
	Paths   map[string]struct{ Get, Post *operation }

	Components struct{ Schemas map[string]*schema }
}

type operation struct {
	Parameters []struct{ Name, In string }
	Responses  map[string]struct {
		Content map[string]struct{ Schema *schema }
	}
}

type schema struct {
	Ref        string `json:"$ref"`
	Type       string
	Enum       []string
	Items      *schema
	Properties map[string]*schema
	Required   []string
}

// check returns what of v is not as the schema says; what has no place in it
// is not, either.
func (d *document) check(at string, s *schema, v any) []string {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		if s = d.Components.Schemas[name]; s == nil {
			return []string{at + ": no schema " + name}
		}
	}
	var out []string
	kind := "string"
	switch v := v.(type) {
	case map[string]any:
		kind = "object"
		for name, field := range v {
			if s.Properties[name] == nil {
				out = append(out, at+"."+name+" is not described")
				continue
			}
			out = append(out, d.check(at+"."+name, s.Properties[name], field)...)
		}
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				out = append(out, at+"."+name+" is missing")
			}
		}
	case []any:
		kind = "array"
		for i, e := range v {
			out = append(out, d.check(fmt.Sprintf("%s[%d]", at, i), s.Items, e)...)
		}
	case float64:
		kind = "integer"
	case bool:
		kind = "boolean"
	case string:
		if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
			out = append(out, at+" is "+v)
		}
	}
	if kind != s.Type {
		out = append(out, at+" is "+kind+", described as "+s.Type)
	}
	return out
}

// TestOpenAPI: every route is described, everything described is a route, and
// the answers are as described.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	s, token := started(t)
	var d document
	get(t, s, token, "/api/v1/openapi.json", &d)
	if !strings.HasPrefix(d.OpenAPI, "3.") {
		t.Errorf("openapi: got %q, want 3", d.OpenAPI)
	}
	if got, want := slices.Sorted(maps.Keys(d.Paths)), s.Paths(); !slices.Equal(got, want) {
		t.Errorf("paths: got %q, want %q", got, want)
	}
	queries := map[string][]string{
		"/api/v1/routes/explain": {
			"?endpoint_id=os::00D09E-1", "?endpoint_id=os::00D09E-1&role=agent&from=self::guest",
			"?endpoint_id=ops::x&role=agent", "?endpoint_id=self::nick&role=agent",
		},
		"/api/v1/queues/items":         {"?endpoint_id=os::00D09E-later", "?endpoint_id=os::none&role=agent&limit=1"},
		"/api/v1/queues/purge":         {"?endpoint_id=os::none"},
		"/api/v1/devices/show":         {"?device=00D09E-Box-1"},
		"/api/v1/devices/values":       {"?device=00D09E-Box-1&path=Device.&limit=5"},
		"/api/v1/devices/wake":         {"?device=00D09E-Box-1"},
		"/api/v1/devices/forget-login": {"?device=00D09E-Box-1"},
		"/api/v1/devices/unlist":       {"?device=00D09E-Box-1"},
	}
	for path, item := range d.Paths {
		if path == "/api/v1/openapi.json" {
			continue
		}
		asked := queries[path]
		if asked == nil {
			asked = []string{""}
		}
		op, method := item.Get, http.MethodGet
		if op == nil {
			op, method = item.Post, http.MethodPost
		}
		by := func(r *http.Request) { r.Method = method }
		for _, q := range asked {
			var v any
			got := ask(t, s, token, path+q, by)
			if err := json.Unmarshal([]byte(got.body), &v); err != nil || got.status != http.StatusOK {
				t.Fatalf("%s: got %d %s, want 200 and JSON", path+q, got.status, got.body)
			}
			for _, p := range d.check(path+q, op.Responses["200"].Content["application/json"].Schema, v) {
				t.Error(p)
			}
		}
		for _, p := range op.Parameters {
			if got := ask(t, s, token, path+"?"+p.Name+"=", by); strings.Contains(got.body, "not known here") {
				t.Errorf("%s: parameter %s: got %s, want it taken", path, p.Name, got.body)
			}
		}
		var v any
		refused := ask(t, s, token, path+"?nonsense=1", by)
		if err := json.Unmarshal([]byte(refused.body), &v); err != nil || refused.status != 400 {
			t.Fatalf("%s: got %d, %v, want 400 as JSON", path, refused.status, err)
		}
		for _, p := range d.check(path, op.Responses["default"].Content["application/json"].Schema, v) {
			t.Error(p)
		}
	}
}
