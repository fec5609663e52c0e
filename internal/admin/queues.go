// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// Bounds of what /api/v1/queues/items shows.
const (
	defaultItems = 100
	maxItems     = 10_000
)

// Item is a Record that waits: one element of the answer of
// /api/v1/queues/items. What is in it is not shown.
type Item struct {
	EndpointID usp.EndpointID `json:"endpoint_id"`
	Role       string         `json:"role"`
	From       usp.EndpointID `json:"from"`
	Seq        uint64         `json:"seq"`
	Type       string         `json:"type"`
	Bytes      int            `json:"bytes"`
	Since      time.Time      `json:"since"`
	Via        string         `json:"via,omitempty"`
}

// Drop is what was given up while it waited, an element of the answer of
// /api/v1/queues/drops.
type Drop struct {
	EndpointID usp.EndpointID `json:"endpoint_id"`
	Role       string         `json:"role"`
	From       usp.EndpointID `json:"from,omitempty"` // where the Endpoint has a queue for each
	Seq        uint64         `json:"seq"`
	Records    int            `json:"records"`
	Bytes      int64          `json:"bytes"` // 0: not known
	Reason     string         `json:"reason"`
	At         time.Time      `json:"at"`
}

// Purged is the answer of /api/v1/queues/purge.
type Purged struct {
	Records int `json:"records"`
}

func (s *Server) queues(w http.ResponseWriter, r *http.Request) {
	if _, ok := query(w, r); ok {
		answer(w, http.StatusOK, s.o.Router.Queues())
	}
}

// items lists the oldest Records that wait for an Endpoint.
func (s *Server) items(w http.ResponseWriter, r *http.Request) {
	q, ok := query(w, r, "endpoint_id", "role", "from", "limit")
	if !ok {
		return
	}
	limit := defaultItems
	if text, given := q["limit"]; given {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxItems {
			refuse(w, http.StatusBadRequest, "limit: want a number from 1 to "+strconv.Itoa(maxItems))
			return
		}
		limit = n
	}
	lanes, ok := s.lanes(w, q)
	if !ok {
		return
	}
	list := []Item{}
	for _, lane := range lanes {
		waiting, err := s.o.Router.ShowQueue(r.Context(), lane, limit-len(list))
		if err != nil {
			refuse(w, http.StatusServiceUnavailable, "the buffer does not answer: "+err.Error())
			return
		}
		for i := range waiting {
			list = append(list, shown(&waiting[i]))
		}
		if len(list) == limit {
			break
		}
	}
	answer(w, http.StatusOK, list)
}

func shown(it *buffer.Item) Item {
	h := it.Record.Header()
	return Item{
		EndpointID: it.Lane.To.ID, Role: it.Lane.To.Role.String(), From: h.From, Seq: it.Seq,
		Type: h.Type.String(), Bytes: it.Record.Len(), Since: it.At.UTC(), Via: it.Via,
	}
}

// drops lists what was given up last.
func (s *Server) drops(w http.ResponseWriter, r *http.Request) {
	if _, ok := query(w, r); !ok {
		return
	}
	list := []Drop{}
	for _, d := range s.o.Router.Drops() {
		list = append(list, Drop{
			d.Lane.To.ID, d.Lane.To.Role.String(), d.Lane.From, d.Seq, d.Records, d.Bytes, d.Reason.String(), d.At.UTC(),
		})
	}
	answer(w, http.StatusOK, list)
}

// purge drops everything that waits for an Endpoint.
func (s *Server) purge(w http.ResponseWriter, r *http.Request) {
	q, ok := query(w, r, "endpoint_id", "role", "from")
	if !ok {
		return
	}
	lanes, ok := s.lanes(w, q)
	if !ok {
		return
	}
	// A client that goes away in the middle leaves nothing half purged.
	ctx := context.WithoutCancel(r.Context())
	var out Purged
	for _, lane := range lanes {
		n, err := s.o.Router.PurgeQueue(ctx, lane)
		out.Records += n
		if err != nil {
			refuse(w, http.StatusServiceUnavailable,
				"after "+strconv.Itoa(out.Records)+" Records the buffer failed: "+err.Error())
			return
		}
	}
	answer(w, http.StatusOK, out)
}

// lanes are the queues that the parameters mean; none is no error.
func (s *Server) lanes(w http.ResponseWriter, q map[string]string) ([]buffer.Lane, bool) {
	role, err := usp.ParseRole(q["role"])
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, "role: "+err.Error())
		return nil, false
	case q["endpoint_id"] == "":
		refuse(w, http.StatusBadRequest, "the parameter endpoint_id says for which Endpoint")
		return nil, false
	}
	var out []buffer.Lane
	for _, info := range s.o.Router.Queues() {
		if string(info.EndpointID) == q["endpoint_id"] && meant(&info, role, q["from"]) {
			of, err := usp.ParseRole(info.Role)
			if err != nil {
				continue // Queues names roles only
			}
			out = append(out, buffer.Lane{To: usp.Address{ID: info.EndpointID, Role: of}, From: info.From})
		}
	}
	return out, true
}

func meant(info *routing.QueueInfo, role usp.Role, from string) bool {
	return (role == usp.RoleUnknown || info.Role == role.String()) && (from == "" || string(info.From) == from)
}
