// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"net/http"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// Profile is how a CPE wants its session. The zero value is how it should be.
type Profile struct {
	// EndWith200 ends the session with 200 and an empty body instead of 204
	// [quirk 36].
	EndWith200 bool
	// FarewellPosts is how many empty POSTs are answered after the end, within
	// Options.EndGrace; 0 means 1 [quirk 35].
	FarewellPosts int
	// Style is how envelopes are written for it [quirk 49, quirk 60, quirk 61].
	Style soap.Style
	// Header is added to every answer, the names spelt as they are here
	// [quirk 37].
	Header http.Header
	// CookiePath is the Path of the cookie; default "/" [quirk 29].
	CookiePath string
	// Cookieless CPE return no cookie, and use more than one connection: a POST
	// without either is theirs if no other session is open from its address
	// [quirk 28].
	Cookieless bool
	// MinimalHeader leaves out every header that is not needed [quirk 41].
	MinimalHeader bool
	// NoRequests ends the session at the first empty POST: Session.Next is not
	// called [quirk 41].
	NoRequests bool
	// SessionTimeout replaces Options.SessionTimeout, and what the CPE says; 0:
	// it does not.
	SessionTimeout time.Duration
}

// endless is p for a CPE that never ends its session [quirk 41].
func (p *Profile) endless() {
	p.EndWith200, p.MinimalHeader, p.NoRequests = true, true, true
	p.Header, p.CookiePath = nil, ""
}

// FindingKind is what a session has shown about its CPE.
type FindingKind uint8

// The FindingKinds.
const (
	// FoundInformLoop: the CPE has sent the same Inform again and again, until it
	// was answered as with EndWith200, MinimalHeader and NoRequests [quirk 41].
	FoundInformLoop FindingKind = iota + 1
	// FoundCookieless: see Profile.Cookieless.
	FoundCookieless
	// FoundConflict: two boxes have the same DeviceID [quirk 27].
	FoundConflict
)

// String is the kind as in the log.
func (k FindingKind) String() string {
	switch k {
	case FoundInformLoop:
		return "inform_loop"
	case FoundCookieless:
		return "cookieless"
	case FoundConflict:
		return "conflict"
	default:
		return "unknown"
	}
}

// Finding is for the owner of a device to keep: in its Profile, or, if it is a
// conflict, by quarantine.
type Finding struct {
	Kind     FindingKind
	Device   cwmp.DeviceID
	Conflict *Conflict // of FoundConflict
}

// found tells the owner.
func (s *Server) found(f Finding) {
	s.met.found.WithLabelValues(f.Kind.String()).Inc()
	if s.opts.Found != nil {
		s.opts.Found(f)
	}
}
