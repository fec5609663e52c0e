// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cohort

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
)

// Selector says which CPE are meant: those that fit every field that is set. The zero
// value means all. The names of the fields in JSON are those that people see.
type Selector struct {
	Manufacturer    Patterns `json:"manufacturer,omitempty"`
	OUI             Patterns `json:"oui,omitempty"`
	ProductClass    Patterns `json:"product_class,omitempty"`
	SoftwareVersion Patterns `json:"software_version,omitempty"`
	Serial          Patterns `json:"serial,omitempty"`
	// SerialFrom and SerialTo are both within the range. Of two serial numbers the shorter
	// one comes first, of two that are equally long the one that sorts first, letters of
	// either case being the same; so numbers with and without leading zeros have the order
	// of numbers, those of one length. An empty one leaves the range open there.
	SerialFrom string `json:"serial_from,omitempty"`
	SerialTo   string `json:"serial_to,omitempty"`
	// Tag is about the tags that the inventory has of a CPE.
	Tag Patterns `json:"tag,omitempty"`
	// Percent is how many of those that fit all else are meant; 0 and 100 mean all. Who is
	// meant at a lower percentage is meant at a higher one, too. See Place.
	Percent Percent `json:"percent,omitempty"`
	// Seed has another share of the same size be meant.
	Seed string `json:"seed,omitempty"`
}

// IsZero reports whether every CPE is meant.
func (s *Selector) IsZero() bool {
	fields := reflect.ValueOf(s).Elem()
	for i := range fields.NumField() {
		if f := fields.Field(i); !f.IsZero() && (f.Kind() != reflect.Slice || f.Len() > 0) {
			return false
		}
	}
	return true
}

// String says for people who is meant, in one line.
func (s *Selector) String() string {
	var parts []string
	add := func(name string, p Patterns) {
		if len(p) > 0 {
			parts = append(parts, name+" "+strings.Join(p, " or "))
		}
	}
	add("manufacturer", s.Manufacturer)
	add("oui", s.OUI)
	add("product_class", s.ProductClass)
	add("software_version", s.SoftwareVersion)
	add("serial", s.Serial)
	if s.SerialFrom != "" {
		parts = append(parts, "serial from "+s.SerialFrom)
	}
	if s.SerialTo != "" {
		parts = append(parts, "serial to "+s.SerialTo)
	}
	add("tag", s.Tag)
	text := strings.Join(parts, ", ")
	if text == "" {
		text = "every CPE"
	}
	if s.Percent > 0 && s.Percent < hundred {
		text += ", " + s.Percent.String() + " % of them"
	}
	return text
}

// Patterns are texts of which one has to fit, in which * stands for any characters, also
// none; letters of either case are the same. None at all fit anything. In YAML and JSON
// one may stand without a list around it.
type Patterns []string

// UnmarshalText takes one.
func (p *Patterns) UnmarshalText(text []byte) error {
	*p = Patterns{string(text)}
	return nil
}

// UnmarshalJSON takes a text, or a list of them.
func (p *Patterns) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte(`"`)) {
		*p = Patterns{""}
		return json.Unmarshal(text, &(*p)[0])
	}
	return json.Unmarshal(text, (*[]string)(p))
}
