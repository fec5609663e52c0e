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
	p, m := compile(r.For), lower(m)
	return p.fits(&m)
}

// patterns are a Model of patterns, made ready.
type patterns struct{ manufacturer, oui, productClass, softwareVersion Pattern }

func compile(m Model) patterns {
	return patterns{
		NewPattern(m.Manufacturer), NewPattern(m.OUI), NewPattern(m.ProductClass), NewPattern(m.SoftwareVersion),
	}
}

func lower(m Model) Model {
	return Model{
		strings.ToLower(m.Manufacturer), strings.ToLower(m.OUI),
		strings.ToLower(m.ProductClass), strings.ToLower(m.SoftwareVersion),
	}
}

func (p *patterns) fits(m *Model) bool {
	return p.oui.fits(m.OUI) && p.productClass.fits(m.ProductClass) &&
		p.manufacturer.fits(m.Manufacturer) && p.softwareVersion.fits(m.SoftwareVersion)
}

// Pattern is a text in which * stands for any characters, also none, made ready: what
// there is between the *, in lower case. Others than NewPattern make none.
type Pattern []string

// NewPattern makes a text ready.
func NewPattern(text string) Pattern { return strings.Split(strings.ToLower(text), "*") }

// Fits reports whether a text fits, whatever the case of its letters; an empty Pattern
// fits any.
func (p Pattern) Fits(text string) bool { return p.fits(strings.ToLower(text)) }

// fits is Fits for what is in lower case.
func (p Pattern) fits(s string) bool {
	first, last := p[0], p[len(p)-1]
	if len(p) == 1 {
		return first == "" || first == s
	}
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	for _, part := range p[1 : len(p)-1] {
		_, after, found := strings.Cut(s, part)
		if !found {
			return false
		}
		s = after
	}
	return strings.HasSuffix(s, last)
}

// Table is what is known of models before any CPE has come. The zero value knows nothing.
// Safe for concurrent use.
type Table struct {
	rows []row
}

type row struct {
	Row

	patterns patterns
	from     string
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
		t.rows = append(t.rows, row{r, compile(r.For), "built-in"})
	}
	for i, r := range rows {
		t.rows = append(t.rows, row{r, compile(r.For), "cwmp.profiles[" + strconv.Itoa(i) + "]"})
	}
	return t, nil
}

// Layers returns what is known of a model, the earlier first; nil is a CPE like any
// other. It is cheap where no row fits.
func (t *Table) Layers(m Model) []Layer {
	if t == nil {
		return nil
	}
	m = lower(m)
	var layers []Layer
	for i := range t.rows {
		r := &t.rows[i]
		if !r.patterns.fits(&m) {
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
