// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path

// Tree is one instantiated data model, supplied by an Agent. What the asking
// Controller may not read is absent from it.
type Tree interface {
	// SupportedObject looks an object up by generic path, Device.WiFi. or
	// Device.WiFi.SSID.{i}., and tells whether it is a table.
	SupportedObject(generic string) (multi, ok bool)
	// SupportedParam looks a parameter up by generic path,
	// Device.WiFi.SSID.{i}.SSID.
	SupportedParam(generic string) (t Type, ok bool)
	// Instances returns the instance numbers in a table, ascending, by
	// instantiated path, Device.WiFi.SSID.; nil if there are none. The caller
	// does not change them.
	Instances(table string) []uint32
	// Value returns the value of a parameter by instantiated path.
	Value(param string) (v string, ok bool)
}

// Resolve returns the instantiated paths that p stands for, of the same kind
// as p, in data-model order and without duplicates. It returns none without an
// error where a search matches nothing or an addressed key does not exist.
//
// Errors are *usp.Error: 7026 for what is not supported, 7016 for an instance
// that does not exist in a path without search, 7008 for an expression that
// does not fit the data model, 7005 for more than limit paths.
func Resolve(p Path, t Tree, limit int) ([]string, error) { return nil, nil }
