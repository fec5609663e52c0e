// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path

// Kind says what a Path names.
type Kind uint8

// The kinds of paths. A Search Path has the kind of what it finds.
const (
	// Object is a single-instance object, or a table without its rows.
	Object Kind = iota
	// Instance is a row of a table.
	Instance
	Parameter
	Command
	Event
)

// Bounds of a path; more is error 7008.
const (
	// MaxLength is the greatest length of a path in bytes.
	MaxLength = 1024
	// MaxSegments is the greatest number of names, instance identifiers and
	// references of a path.
	MaxSegments = 32
	// MaxComparisons is the greatest number of comparisons of a path, over all
	// its search expressions.
	MaxComparisons = 16
)

// Path is a parsed path name. The zero Path is not one.
type Path struct {
	s    string
	kind Kind
}

// Parse parses an Object, Object Instance, Parameter, Command, Event or Search
// Path [R-ARC.7]. Whitespace round operators is tolerated [R-ARC.9a]. An error
// is a *usp.Error 7008 whose text names the position.
func Parse(s string) (Path, error) { return Path{s: s}, nil }

// ParseSupported parses a path of the supported data model, as GetSupportedDM
// takes it: {i} or instance numbers, but no search, and no number after {i}.
func ParseSupported(s string) (Path, error) { return Path{s: s}, nil }

// String returns the canonical form: no whitespace, Ref+ for Ref#1+.
func (p Path) String() string { return p.s }

// Kind returns what p names.
func (p Path) Kind() Kind { return p.kind }

// IsSearch reports whether p has to be resolved: it has a wildcard, a search
// expression (also one that is unique-key addressing) or follows a reference.
// Such a path may well match nothing, which is no error [R-MSG.4a].
func (p Path) IsSearch() bool { return false }

// Object returns the longest static prefix of p that is an object: what has to
// be read to resolve it. It is Device.WiFi.SSID. for Device.WiFi.SSID.*.SSID.
// What lies behind a reference is not below it.
func (p Path) Object() string { return "" }

// Leaf returns the name of the parameter, command or event, without () and !;
// it is empty for objects.
func (p Path) Leaf() string { return "" }

// Supported returns p as a path of the supported data model, for example
// Device.WiFi.SSID.{i}.SSID. What follows a reference is left as it is, since
// only the reference's value tells.
func (p Path) Supported() string { return "" }

// Generic turns an instantiated path into one of the supported data model:
// Device.WiFi.SSID.3.SSID into Device.WiFi.SSID.{i}.SSID.
func Generic(instantiated string) string { return instantiated }
