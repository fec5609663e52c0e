// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import "github.com/uspgate/uspgate/translate/cohort"

// Select says which CPE are meant; see cohort.Selector, whose fields it has.
type Select struct {
	Manufacturer    cohort.Patterns `yaml:"manufacturer" doc:"of one of these manufacturers; * stands for any characters; one, or a list"`
	OUI             cohort.Patterns `yaml:"oui" doc:"with one of these OUIs; * stands for any characters"`
	ProductClass    cohort.Patterns `yaml:"product_class" doc:"of one of these product classes; * stands for any characters"`
	SoftwareVersion cohort.Patterns `yaml:"software_version" doc:"with one of these firmwares; * stands for any characters"`
	Serial          cohort.Patterns `yaml:"serial" doc:"with one of these serial numbers; * stands for any characters"`
	SerialFrom      string          `yaml:"serial_from" doc:"with this serial number or a later one: a longer one is later, of equally long ones the one that sorts later; empty: any"`
	SerialTo        string          `yaml:"serial_to" doc:"with this serial number or an earlier one; empty: any"`
	Tag             cohort.Patterns `yaml:"tag" doc:"with one of these tags in the inventory; * stands for any characters"`
	Percent         cohort.Percent  `yaml:"percent" doc:"only so many of a hundred of these, always the same ones, such as 10 or 0.5; 0: all"`
	Seed            string          `yaml:"seed" doc:"any text: another one has percent mean other CPE"`
}

// Selector is s as package cohort has it.
func (s *Select) Selector() cohort.Selector { return cohort.Selector(*s) }

// selector checks a Select.
func (d *decoder) selector(path string, s *Select) {
	sel := s.Selector()
	for _, p := range sel.Check() {
		d.invalid(join(path, p.Field), p.Text, p.Hint)
	}
}
