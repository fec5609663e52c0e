// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package profile

import "time"

// Bounds of a Profile, for Check.
const (
	// MaxHeaders is how many headers it adds to an answer, MaxHeader how many bytes one
	// of them has.
	MaxHeaders = 8
	MaxHeader  = 256
	// MaxIgnore is how many names it leaves out, MaxName how many bytes one has.
	MaxIgnore = 64
	MaxName   = 256
	// MaxBatch is how many names there may be in one GetParameterValues.
	MaxBatch = 32
	// MaxFarewellPosts is how many empty POSTs are answered after the end of a session.
	MaxFarewellPosts = 4
	// MaxWalkLevels is how deep names are read level by level.
	MaxWalkLevels = 16
)

// Profile is how a CPE wants to be treated. The zero value is one as the standard has
// it; so is each field that is zero. The names of the fields in JSON are those that
// people see.
type Profile struct {
	// EndWith200 ends a session with 200 and an empty body instead of 204 [quirk 36].
	EndWith200 bool `json:"end_with_200,omitempty"`
	// FarewellPosts is how many empty POSTs are answered after the end; 0 means 1
	// [quirk 35].
	FarewellPosts int `json:"farewell_posts,omitempty"`
	// Cookieless: it returns no cookie and uses more than one connection [quirk 28].
	Cookieless bool `json:"cookieless,omitempty"`
	// MinimalHeader leaves out every header of an answer that is not needed [quirk 41].
	MinimalHeader bool `json:"minimal_header,omitempty"`
	// NoRequests: nothing is asked of it; it sends its Informs, and that is all
	// [quirk 41].
	NoRequests bool `json:"no_requests,omitempty"`
	// Header is added to every answer, each as "Name: value", spelt as here
	// [quirk 37].
	Header []string `json:"header,omitempty"`
	// SessionTimeout is how long it may be silent within a session; 0: as configured.
	SessionTimeout time.Duration `json:"session_timeout,omitempty"`

	// Booleans is how booleans are written in requests [quirk 60]; empty: values as the
	// CPE writes them.
	Booleans Literal `json:"booleans,omitempty"`
	// WholeSeconds leaves fractions of a second out of times [quirk 61].
	WholeSeconds bool `json:"whole_seconds,omitempty"`

	// Names is how it gives its names [quirk 48, quirk 52]; empty: it is found out.
	Names Names `json:"names,omitempty"`
	// WalkLevels is, with NamesWalk, for how many levels below its root they are asked
	// level by level: an object of the last of them is asked with all that is in it;
	// 0: all levels [quirk 52].
	WalkLevels int `json:"walk_levels,omitempty"`
	// NextLevel is how that argument is written [quirk 49]; empty: it is found out.
	NextLevel Literal `json:"next_level,omitempty"`
	// Batch is how many names there are in one GetParameterValues at most [quirk 53];
	// 0: it is found out.
	Batch int `json:"batch,omitempty"`
	// NoPartial: it gives no values by the name of an object [quirk 54].
	NoPartial bool `json:"no_partial,omitempty"`
	// Ignore are names that are never asked for, with {i} for each instance number: of
	// parameters, or of objects with all that is in them.
	Ignore []string `json:"ignore,omitempty"`

	// Download is what it takes for a Download [quirk 71].
	Download Download `json:"download,omitzero"`
	// TransferCompleteUnreliable: a transfer that it has not told the end of is done
	// once it has another SoftwareVersion, or has fetched the file [quirk 68].
	TransferCompleteUnreliable bool `json:"transfer_complete_unreliable,omitempty"`
	// TransferWait is how long it may take until TransferComplete; 0: as configured.
	TransferWait time.Duration `json:"transfer_wait,omitempty"`

	// ConnectionRequest are the ways in which it may be woken, http, udp or xmpp,
	// whatever it says itself; empty: those that it says.
	ConnectionRequest []string `json:"connection_request,omitempty"`
}

// Download is what a CPE takes for a Download; see transfer.Form.
type Download struct {
	NoPort     bool   `json:"no_port,omitempty"`
	NoTLS      bool   `json:"no_tls,omitempty"`
	NeedSize   bool   `json:"need_size,omitempty"`
	NeedTarget bool   `json:"need_target,omitempty"`
	Extension  string `json:"extension,omitempty"`
	MaxURL     int    `json:"max_url,omitempty"`
}

// Literal is how a boolean is written.
type Literal string

// The Literals.
const (
	Digits Literal = "digits" // 1 and 0
	Words  Literal = "words"  // true and false
)

// Names is a way to read all names of a CPE. Its values are stored.
type Names string

// The ways, in the order in which they are tried.
const (
	NamesRoot  Names = "root"  // GetParameterNames of the root object
	NamesEmpty Names = "empty" // of the empty path
	NamesWalk  Names = "walk"  // object by object [quirk 50, quirk 52]
)
