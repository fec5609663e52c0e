// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"fmt"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// Template is a form of name or password that is made from a DeviceID, such as
// {oui}-{serial}.
type Template struct{ parts []string } // at odd places a field, else text

// ParseTemplate reads a text with the fields {oui}, {product_class}, {serial} and
// {manufacturer}.
func ParseTemplate(text string) (Template, error) {
	var t Template
	rest := text
	for {
		before, after, ok := strings.Cut(rest, "{")
		t.parts = append(t.parts, before)
		if !ok {
			return t, nil
		}
		field, after, ok := strings.Cut(after, "}")
		switch field {
		case "oui", "product_class", "serial", "manufacturer":
		default:
			ok = false
		}
		if !ok {
			return Template{}, fmt.Errorf(
				"acs: template %q: want {oui}, {product_class}, {serial} or {manufacturer} after {", text)
		}
		t.parts = append(t.parts, field)
		rest = after
	}
}

func parseTemplates(texts []string) ([]Template, error) {
	out := make([]Template, len(texts))
	for i, s := range texts {
		var err error
		if out[i], err = ParseTemplate(s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// fixed reports whether there are no fields.
func (t Template) fixed() bool { return len(t.parts) == 1 }

// Expand fills the fields in, as they are in id.
func (t Template) Expand(id cwmp.DeviceID) string {
	return t.expand(id, func(s string) string { return s })
}

func (t Template) expand(id cwmp.DeviceID, f func(string) string) string {
	var b strings.Builder
	for i, p := range t.parts {
		if i%2 == 1 {
			switch p {
			case "oui":
				p = f(id.OUI)
			case "product_class":
				p = f(id.ProductClass)
			case "serial":
				p = f(id.SerialNumber)
			case "manufacturer":
				p = f(strings.TrimSpace(id.Manufacturer))
			}
		}
		b.WriteString(p)
	}
	return b.String()
}

// Matches reports whether name is the template for id: with the fields as they are
// or percent-encoded [TR-069 3.4.4], the OUI in either case. Where all fields of
// the template are empty nothing matches.
func (t Template) Matches(name string, id cwmp.DeviceID) bool {
	manufacturer := id.Manufacturer
	id = id.Key()
	id.Manufacturer = manufacturer
	lower := id
	lower.OUI = strings.ToLower(id.OUI)
	empty := t.expand(cwmp.DeviceID{}, func(s string) string { return s })
	if !t.fixed() && name == empty {
		return false
	}
	for _, d := range []cwmp.DeviceID{id, lower} {
		if t.Expand(d) == name || t.expand(d, percent) == name {
			return true
		}
	}
	return false
}

// percent encodes every byte that is not alphanumeric or an underscore.
func percent(s string) string {
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_':
			b = append(b, c)
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}
