// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	_ "embed"
	"net/http"
	"runtime"
	"time"

	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

//go:embed openapi.json
var openAPI []byte

// Version is the answer of /api/v1/version.
type Version struct {
	Version   string `json:"version"`
	GoVersion string `json:"go_version"`
}

// Explanation is one element of the answer of /api/v1/routes/explain.
type Explanation struct {
	routing.Explanation

	// Text says the same in sentences.
	Text string `json:"text"`
}

// Routes is the answer of /api/v1/routes: everything that the configuration
// says about where Records go, each list in the order in which it is tried.
type Routes struct {
	Routes  []Route `json:"routes"`
	Rules   []Rule  `json:"rules"`
	Aliases []Alias `json:"aliases"`
}

// Route is a routing.Route.
type Route struct {
	Match       string   `json:"match"`
	Role        string   `json:"role"` // unknown: either
	Via         string   `json:"via,omitempty"`
	Fallback    []string `json:"fallback,omitempty"`
	Destination string   `json:"destination,omitempty"`
	AllowFrom   []string `json:"allow_from,omitempty"`
	Transit     bool     `json:"transit"`
}

// Rule is a routing.Rule; * stands for anybody.
type Rule struct {
	From string `json:"from"`
	To   string `json:"to"`
	Role string `json:"role"` // of To; unknown: either
	Deny bool   `json:"deny"`
}

// Alias is a routing.Alias.
type Alias struct {
	Alias      usp.EndpointID `json:"alias"`
	EndpointID usp.EndpointID `json:"endpoint_id"`
}

// Node is one of several processes that are one gateway, an element of the
// answer of /api/v1/nodes.
type Node struct {
	Name   string    `json:"name"`
	Since  time.Time `json:"since"`
	Owned  int       `json:"owned"`  // addresses
	Me     bool      `json:"me"`     // the one that answers
	Linked bool      `json:"linked"` // with the one that answers
}

// nodes is empty where there is only one.
func (s *Server) nodes(w http.ResponseWriter, r *http.Request) {
	if _, ok := query(w, r); !ok {
		return
	}
	list := []Node{}
	if s.o.Nodes != nil {
		list = append(list, s.o.Nodes()...)
	}
	answer(w, http.StatusOK, list)
}

func (s *Server) version(w http.ResponseWriter, r *http.Request) {
	if _, ok := query(w, r); ok {
		answer(w, http.StatusOK, Version{s.o.Version, runtime.Version()})
	}
}

func (s *Server) openAPI(w http.ResponseWriter, r *http.Request) {
	if _, ok := query(w, r); ok {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(openAPI) // the client is gone if this fails
	}
}

// endpoints lists all, or those of one Endpoint ID.
func (s *Server) endpoints(w http.ResponseWriter, r *http.Request) {
	q, ok := query(w, r, "endpoint_id")
	if !ok {
		return
	}
	id, one := q["endpoint_id"]
	if !one {
		answer(w, http.StatusOK, s.o.Router.Endpoints())
		return
	}
	list := []routing.EndpointInfo{}
	for _, role := range []usp.Role{usp.RoleAgent, usp.RoleController, usp.RoleUnknown} {
		if info, ok := s.o.Router.Endpoint(usp.Address{ID: usp.EndpointID(id), Role: role}); ok {
			list = append(list, info)
		}
	}
	answer(w, http.StatusOK, list)
}

func (s *Server) listRoutes(w http.ResponseWriter, r *http.Request) {
	if _, ok := query(w, r); !ok {
		return
	}
	out := Routes{Routes: []Route{}, Rules: []Rule{}, Aliases: []Alias{}}
	for _, rt := range s.o.Router.Routes() {
		out.Routes = append(out.Routes, Route{
			Match: rt.Match, Role: rt.Role.String(), Via: rt.Via, Fallback: rt.Fallback,
			Destination: rt.Destination, AllowFrom: rt.AllowFrom, Transit: rt.Transit,
		})
	}
	for _, u := range s.o.Router.Rules() {
		out.Rules = append(out.Rules, Rule{From: anybody(u.From), To: anybody(u.To), Role: u.Role.String(), Deny: u.Deny})
	}
	for _, a := range s.o.Router.Aliases() {
		out.Aliases = append(out.Aliases, Alias{a.Alias, a.Endpoint})
	}
	answer(w, http.StatusOK, out)
}

func anybody(pattern string) string {
	if pattern == "" {
		return "*"
	}
	return pattern
}

func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	q, ok := query(w, r, "endpoint_id", "role", "from")
	if !ok {
		return
	}
	role, err := usp.ParseRole(q["role"])
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, "role: "+err.Error())
		return
	case q["endpoint_id"] == "":
		refuse(w, http.StatusBadRequest, "the parameter endpoint_id says for which Endpoint")
		return
	}
	list := []Explanation{}
	to := usp.Address{ID: usp.EndpointID(q["endpoint_id"]), Role: role}
	for _, x := range s.o.Router.Explanations(usp.EndpointID(q["from"]), to) {
		list = append(list, Explanation{x, x.String()})
	}
	answer(w, http.StatusOK, list)
}
