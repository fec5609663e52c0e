// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cohort

import (
	"fmt"
	"strings"

	"github.com/uspgate/uspgate/translate/profile"
)

// Bounds of a Selector, for Check.
const (
	// MaxPatterns is how many Patterns a field has.
	MaxPatterns = 256
	// MaxText is how many bytes each text has.
	MaxText = 256
)

// Check returns everything that is wrong with a Selector, in the order of its fields.
func (s *Selector) Check() []profile.Problem {
	var list []profile.Problem
	add := func(field, text, hint string) {
		list = append(list, profile.Problem{Field: field, Text: text, Hint: hint})
	}
	patterns := func(field string, p Patterns) {
		if len(p) > MaxPatterns {
			add(field, fmt.Sprintf("%d texts, %d at most", len(p), MaxPatterns), "use * to have one for several")
		}
		for i, text := range p {
			at := fmt.Sprintf("%s[%d]", field, i)
			switch {
			case strings.TrimSpace(text) == "":
				add(at, "an empty text fits nothing or everything", `take it out; "*" is for all`)
			case len(text) > MaxText:
				add(at, fmt.Sprintf("longer than %d bytes", MaxText), "use * to shorten it")
			}
		}
	}
	short := func(field, text string) {
		if len(text) > MaxText {
			add(field, fmt.Sprintf("longer than %d bytes", MaxText), "shorten it")
		}
	}
	patterns("manufacturer", s.Manufacturer)
	patterns("oui", s.OUI)
	patterns("product_class", s.ProductClass)
	patterns("software_version", s.SoftwareVersion)
	patterns("serial", s.Serial)
	short("serial_from", s.SerialFrom)
	short("serial_to", s.SerialTo)
	if s.SerialFrom != "" && s.SerialTo != "" && compareSerials(s.SerialFrom, s.SerialTo) > 0 {
		add("serial_to", s.SerialTo+" comes before "+s.SerialFrom, "a longer serial number comes after a shorter one")
	}
	for _, end := range [][2]string{{"serial_from", s.SerialFrom}, {"serial_to", s.SerialTo}} {
		if strings.Contains(end[1], "*") {
			add(end[0], "* stands for itself here", "use serial for patterns")
		}
	}
	patterns("tag", s.Tag)
	if s.Percent < 0 || s.Percent > hundred {
		add("percent", s.Percent.String()+" is not from 0 to 100", "write for example 10")
	}
	short("seed", s.Seed)
	if s.Seed != "" && s.Percent == 0 {
		add("seed", "it changes nothing without percent", "set percent, or take it out")
	}
	return list
}
