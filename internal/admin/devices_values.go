// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Bounds of what /api/v1/devices/values shows at once.
const (
	DefaultValues = 1000
	MaxValues     = 10_000
)

// ErrBadPath is wrapped by the error of Devices.Values where the path means nothing.
var ErrBadPath = errors.New("admin: no such path")

// ErrElsewhere is the error of Devices.Values where another node has the Virtual Agent.
var ErrElsewhere = errors.New("admin: another node has it")

// DeviceValues is the answer of /api/v1/devices/values.
type DeviceValues struct {
	Values []DeviceValue `json:"values"`
	More   bool          `json:"more"` // than the limit
}

// DeviceValue is a parameter of a CPE as its Virtual Agent knows it.
type DeviceValue struct {
	Path  string `json:"path"`
	Value string `json:"value"`
	// ReadAt is when the CPE has given it.
	ReadAt time.Time `json:"read_at,omitzero"`
	// Freshness is live, cached or a duration: how old it may be that answers a Get.
	Freshness string `json:"freshness"`
	// Fresh: a Get is answered with it now, without asking the CPE.
	Fresh bool `json:"fresh"`
}

func (s *Server) deviceValues(w http.ResponseWriter, r *http.Request) {
	q, ok := query(w, r, "device", "path", "limit")
	if !ok {
		return
	}
	if q["device"] == "" || q["path"] == "" {
		refuse(w, http.StatusBadRequest,
			"the parameters device and path say which: an identity or Endpoint ID, and a path of Device:2")
		return
	}
	limit := DefaultValues
	if text, given := q["limit"]; given {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > MaxValues {
			refuse(w, http.StatusBadRequest, "limit: want a number from 1 to "+strconv.Itoa(MaxValues))
			return
		}
		limit = n
	}
	v, err := s.o.Devices.Values(r.Context(), q["device"], q["path"], limit)
	switch {
	case errors.Is(err, ErrBadPath):
		refuse(w, http.StatusBadRequest, err.Error())
	case errors.Is(err, ErrElsewhere):
		refuse(w, http.StatusConflict, "another node has the Virtual Agent: ask there")
	case err != nil:
		failedDevice(w, err)
	case v == nil:
		unknownDevice(w, q["device"])
	default:
		answer(w, http.StatusOK, v)
	}
}
