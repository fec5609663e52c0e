// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bulk

import (
	"errors"
	"strconv"
	"time"

	"github.com/uspgate/uspgate/usp/path"
)

// Param is one parameter of a report.
type Param struct {
	Name  string // see the function Name
	Value string // in the lexical form of Type
	Type  path.Type
}

// Encoder is one of the forms that a report may have: JSON or CSV.
type Encoder interface {
	// Encode writes the report of values that were collected at that time. Of several
	// parameters of one Name the first is in it. It returns ErrTooLarge, and no part of the
	// report, where that has more than limit bytes. It keeps nothing of params.
	Encode(params []Param, at time.Time, limit int) (string, error)
}

// ErrTooLarge is returned for a report that has more bytes than it may have.
var ErrTooLarge = errors.New("bulk: the report is too large")

// Timestamp is how a report says when it was collected: the values of ReportTimestamp and
// RowTimestamp. The zero value is NoTimestamp.
type Timestamp string

// The Timestamps.
const (
	UnixEpoch   Timestamp = "Unix-Epoch" // seconds
	ISO8601     Timestamp = "ISO-8601"   // in UTC
	NoTimestamp Timestamp = "None"
)

// text returns the time as it is to be written; ok is false if it is not.
func (t Timestamp) text(at time.Time) (s string, ok bool) {
	switch t {
	case UnixEpoch:
		return strconv.FormatInt(at.Unix(), 10), true
	case ISO8601:
		return at.UTC().Format(time.RFC3339), true
	default:
		return "", false
	}
}

// Format is how the parameters are arranged: the values of ReportFormat.
type Format string

// The Formats of JSON, and those of CSV.
const (
	ObjectHierarchy    Format = "ObjectHierarchy"
	NameValuePair      Format = "NameValuePair"
	ParameterPerColumn Format = "ParameterPerColumn"
	ParameterPerRow    Format = "ParameterPerRow"
)

// unique drops the parameters whose Name was there before, or is taken.
func unique(params []Param, taken string) []Param {
	seen := make(map[string]bool, len(params)+1)
	seen[taken] = taken != ""
	out := make([]Param, 0, len(params))
	for _, p := range params {
		if !seen[p.Name] {
			seen[p.Name] = true
			out = append(out, p)
		}
	}
	return out
}
