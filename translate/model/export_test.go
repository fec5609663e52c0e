// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

// CompileOne compiles one rule file without the embedded ones.
func CompileOne(name, text string) (*Rules, error) {
	return compile(map[string][]byte{name: []byte(text)})
}

// SetLimit changes the greatest number of nodes of a View.
func SetLimit(v *View, n int) { v.limit = n }

// MaxRemembered is the greatest number of rows that a table of an InstanceMap
// remembers.
const MaxRemembered = maxRemembered

// Number gives a row of an InstanceMap its number.
func Number(m *InstanceMap, table, key string) uint32 { return m.number(table, key) }

// Convert runs a named conversion one way, and the result back.
func Convert(name, raw string) (usp string, ok bool, back string, backOK bool) {
	c := converterByName(name)
	usp, ok = c.read(raw)
	if c.write != nil {
		back, backOK = c.write(usp, raw)
	}
	return usp, ok, back, backOK
}

// ConvertBack runs a named conversion towards the CPE.
func ConvertBack(name, usp, rawNow string) (string, bool) {
	return converterByName(name).write(usp, rawNow)
}
