// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"strconv"
	"strings"
)

// Model says of which CPE a Profile is. The words are as a CPE has them; letters of
// either case are the same.
type Model struct {
	Manufacturer    string `json:"manufacturer,omitempty"`
	OUI             string `json:"oui,omitempty"`
	ProductClass    string `json:"product_class,omitempty"`
	SoftwareVersion string `json:"software_version,omitempty"`
}

// Row is a Profile with the models that it is for.
type Row struct {
	// For are patterns, in which * stands for any characters; an empty one fits any CPE.
	For Model `json:"for"`
	// Alone: the rows before it, and those that the gateway comes with, do not count.
	Alone bool `json:"alone,omitempty"`
	// Why says in the table that the gateway comes with how it is known.
	Why     string  `json:"why,omitempty"`
	Profile Profile `json:"profile"`
}

// Fits reports whether the row is for CPE of that model.
func (r *Row) Fits(m Model) bool {
	return like(r.For.OUI, m.OUI) && like(r.For.ProductClass, m.ProductClass) &&
		like(r.For.Manufacturer, m.Manufacturer) && like(r.For.SoftwareVersion, m.SoftwareVersion)
}

// like reports whether s fits a pattern; an empty one fits anything.
func like(pattern, s string) bool {
	if pattern == "" || pattern == "*" {
		return true
	}
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return strings.EqualFold(pattern, s)
	}
	if len(s) < len(first) || !strings.EqualFold(s[:len(first)], first) {
		return false
	}
	s = strings.ToLower(s[len(first):])
	parts := strings.Split(strings.ToLower(rest), "*")
	for _, part := range parts[:len(parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}

// Table is what is known of models before any CPE has come. The zero value knows nothing.
// Safe for concurrent use.
type Table struct {
	rows []row
}

type row struct {
	Row

	from string
}

// NewTable returns a Table with the rows that the gateway comes with, and those of the
// operator, the later before the earlier. It keeps rows.
func NewTable(rows []Row) (*Table, error) {
	builtin, err := BuiltIn()
	if err != nil {
		return nil, err
	}
	t := &Table{}
	for _, r := range builtin {
		t.rows = append(t.rows, row{r, "built-in"})
	}
	for i, r := range rows {
		t.rows = append(t.rows, row{r, "cwmp.profiles[" + strconv.Itoa(i) + "]"})
	}
	return t, nil
}

// Layers returns what is known of a model, the earlier first; nil is a CPE like any
// other. It is cheap where no row fits.
func (t *Table) Layers(m Model) []Layer {
	if t == nil {
		return nil
	}
	var layers []Layer
	for i := range t.rows {
		r := &t.rows[i]
		if !r.Fits(m) {
			continue
		}
		if r.Alone {
			layers = nil
		}
		layers = append(layers, Layer{From: r.from, Profile: r.Profile})
	}
	return layers
}

// Of returns the Profile of a model: that of all its Layers.
func (t *Table) Of(m Model) Profile {
	var p Profile
	for _, l := range t.Layers(m) {
		p = p.Merge(l.Profile)
	}
	return p
}
