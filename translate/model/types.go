// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// Root is the data model a CPE has.
type Root uint8

// The roots.
const (
	TR181 Root = iota
	TR098
)

// String returns the CPE's root object without its dot.
func (r Root) String() string {
	if r == TR098 {
		return "InternetGatewayDevice"
	}
	return "Device"
}

// Prefix returns the CPE's root object, "Device." or "InternetGatewayDevice.".
func (r Root) Prefix() string { return r.String() + "." }

// RootOf tells a CPE's root from a parameter name of its Inform; ok is false
// for a name under neither root.
func RootOf(name string) (r Root, ok bool) {
	switch {
	case strings.HasPrefix(name, "InternetGatewayDevice."):
		return TR098, true
	case strings.HasPrefix(name, "Device."):
		return TR181, true
	default:
		return TR181, false
	}
}

// Passthrough is the object under which a TR-098 CPE's parameters that no rule
// covers are found, with the rest of their name unchanged.
const Passthrough = "Device.X_USPGATE_IGD." //nolint:gosec // G101: a name, and no credential

// Param is one parameter of the Device:2 side.
type Param struct {
	// Path is the instantiated Device:2 path.
	Path string
	// Value is in the lexical form of USP (booleans are true or false).
	Value string
	Type  path.Type
	// Writable combines the rule with what the CPE said; a parameter that may
	// be written once is not writable any more when it is shown.
	Writable bool
	// Known is false as long as the CPE's value was never read: Value is then
	// empty and says nothing.
	Known bool
}

// Object is one instantiated object or table of the Device:2 side.
type Object struct {
	// Path is the instantiated Device:2 path, ending in a dot.
	Path string
	// Multi reports a table: what lies directly below are its instances.
	Multi bool
	// Add reports a table that takes new rows, Delete a row that may go.
	Add, Delete bool
}

// Delta is what a change of the CPE's tree changed on the Device:2 side. Paths
// are instantiated and in data-model order.
type Delta struct {
	// Changed are parameters whose value was known and is another now. One that
	// is read for the first time, or comes or goes with its row, is not listed.
	Changed []Param
	// Created and Deleted are rows (object instances, ending in a dot). Those
	// of the first SetNames after NewView are all Created: it is the caller who
	// knows that the CPE had them before.
	Created, Deleted []string
}

// Empty reports that nothing changed.
func (d *Delta) Empty() bool {
	return len(d.Changed) == 0 && len(d.Created) == 0 && len(d.Deleted) == 0
}

// Access says how a parameter of the supported data model may be used.
type Access uint8

// The accesses; WriteOnce is what a unique key such as Alias has: settable in
// the Add that creates its row and never again.
const (
	ReadOnly Access = iota
	ReadWrite
	WriteOnce
)

// String returns the notation of the rule files: ro, rw, wo.
func (a Access) String() string {
	switch a {
	case ReadWrite:
		return "rw"
	case WriteOnce:
		return "wo"
	default:
		return "ro"
	}
}

// SupportedParam is one parameter of the supported data model.
type SupportedParam struct {
	Name   string
	Type   path.Type
	Access Access
	// Listed: the CPE, or a rule, has said what the Access is; otherwise it is what may
	// be tried [quirk 55].
	Listed bool
	// Kept: it is the gateway that has the parameter, for a CPE that does not.
	Kept bool
}

// SupportedObject is one object of the supported data model.
type SupportedObject struct {
	// Path is generic and ends in a dot: "Device.WiFi.SSID.{i}.".
	Path string
	// Multi reports a table; Add and Delete what may be done with its rows.
	Multi, Add, Delete bool
	// Seen reports that there has been one; otherwise it is what Device:2 says of rows
	// that are still to come.
	Seen bool
	// Keys are the unique keys of a table, each the names of its parameters.
	Keys [][]string
	// Params are sorted by name.
	Params []SupportedParam
}

// Param returns the parameter of that name.
func (o *SupportedObject) Param(name string) (SupportedParam, bool) {
	lo, hi := 0, len(o.Params)
	for lo < hi {
		if mid := (lo + hi) / 2; o.Params[mid].Name < name {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(o.Params) && o.Params[lo].Name == name {
		return o.Params[lo], true
	}
	return SupportedParam{}, false
}

// Setting is one parameter and the value wanted for it.
type Setting struct {
	// Path is instantiated; in PlanAdd it is relative to the new row.
	Path  string
	Value string
}

// SettingError says why one Setting cannot be made.
type SettingError struct {
	// Index is that of the Setting in the call.
	Index int
	Err   *usp.Error
}

// AddPlan is how a row is created on the CPE.
type AddPlan struct {
	// Table is the Device:2 table, ending in a dot.
	Table string
	// ObjectName is the CPE's table, for AddObject.
	ObjectName string
	// Consumed are the indices of the Settings that chose ObjectName, as the
	// Interface of a NAT.PortMapping does; they may be given to PlanSet
	// nevertheless, and then plan nothing.
	Consumed []int
}
