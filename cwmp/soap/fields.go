// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "strings"

// Each of the functions here reads the text of the innermost open element into
// dst and closes the element.

func (d *decoder) key(dst *string) (err error) {
	*dst, err = d.text(trimPretty)
	return err
}

func (d *decoder) word(dst *string) (err error) {
	*dst, err = d.text(trimAll)
	return err
}

// name reads the name of a parameter or an object. Dots in front of it stand
// for a root that was left out [quirk 21].
func (d *decoder) name(dst *string) error {
	s, err := d.text(trimAll)
	if err != nil {
		return err
	}
	if len(s) > d.lim.MaxName {
		return d.limit("name too long")
	}
	if s != "" && s[0] == '.' {
		s = strings.TrimLeft(s, ". \t\r\n")
	}
	*dst = s
	return nil
}

func (d *decoder) flag(dst *bool) error {
	s, err := d.text(trimAll)
	*dst = parseBool(s)
	return err
}

func (d *decoder) code(dst *int) error {
	s, err := d.text(trimAll)
	*dst = parseCode(s)
	return err
}

func (d *decoder) uint32(dst *uint32) error {
	s, err := d.text(trimAll)
	*dst = parseUint32(s)
	return err
}

// entry counts an entry of a list.
func (d *decoder) entry() error {
	if d.params++; d.params > d.lim.MaxParams {
		return d.limit("too many parameters")
	}
	return nil
}

// arrayCount returns how many entries the array whose start tag was read last
// says that it has, or fewer: no more than can be in the rest of the document
// if each is of a usual length. It is a hint about memory, and 0 if in doubt
// [quirk 8].
func (d *decoder) arrayCount() int {
	const usual = 64 // bytes: more than an entry takes in memory
	if d.empty || d.attrs == "" {
		return 0
	}
	_, count, _ := strings.Cut(d.attr("arrayType"), "[")
	return min(int(parseUint32(count)), (len(d.s)-d.pos)/usual, d.lim.MaxParams)
}

// entries calls f for every child of the innermost open element, whatever it
// is called, and counts it as an entry of a list.
func (d *decoder) entries(f func() error) error {
	return d.each(func(string) error {
		if err := d.entry(); err != nil {
			return err
		}
		return f()
	})
}

// names reads the entries of a list as names of parameters.
func (d *decoder) names(dst *[]string) error {
	return d.entries(func() error {
		*dst = append(*dst, "")
		return d.name(&(*dst)[len(*dst)-1])
	})
}

// words is names for words that are not names of parameters.
func (d *decoder) words(dst *[]string) error {
	return d.entries(func() error {
		*dst = append(*dst, "")
		return d.word(&(*dst)[len(*dst)-1])
	})
}
