// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uspgate/uspgate/translate/cohort"
	"github.com/uspgate/uspgate/translate/profile"
	"github.com/uspgate/uspgate/usp"
)

// Defaults are what the Agents of a cohort get from the configuration. There are two
// kinds of it. Controllers and Roles follow the configuration: they are there while the
// Agent is of the cohort. Seeds are given once, and are the Agent's own from then on:
// what a Controller has changed or deleted stays so.
//
// Of several Defaults of whose cohort an Agent is, it has the Roles and Seeds of all, in
// their order; the last one that names Controllers says which.
type Defaults struct {
	Name   string // unique, at most 64 characters
	Select cohort.Selector
	// Missing has Agents that were there already get the Seeds, too: what they were not
	// given in this form before. Otherwise only those get them that are made while their
	// CPE is of the cohort.
	Missing bool
	// Controllers are those of Options.Controllers that may control the Agents; none at
	// all: these Defaults say nothing of it.
	Controllers []DefaultController
	// Roles are there beside those of Options, and for Controllers of these Defaults.
	Roles []Role
	Seeds []Seed
}

// DefaultController is one of Options.Controllers on the Agents of a cohort. A field
// that is zero is as it is there.
type DefaultController struct {
	EndpointID usp.EndpointID
	Role       string
	// ProvisioningCode and PeriodicNotifInterval are the first values of its row, and given
	// to one that is there as Seeds are.
	ProvisioningCode      string
	PeriodicNotifInterval time.Duration
}

// Seed is a row of the Agent's own data model that a Controller could have added: in
// TableSubscription, TableBulkProfile or TableBootParameter.
type Seed struct {
	Table string
	// Owner is the Controller whose row it is: as if it had added it.
	Owner usp.EndpointID
	// Key is the parameter by which Owner tells its rows apart; it is among Values.
	Key    string
	Values []SeedValue
	// Rows are in tables below; their Table is the name of it, and they have no Owner.
	Rows []Seed
}

// The tables of Seeds.
const (
	TableSubscription  = subscriptionTable
	TableBulkProfile   = profileTable
	TableBootParameter = "BootParameter." // of the row of the Owner
)

// SeedValue is a parameter of a Seed. Param may reach into single objects of the row:
// JSONEncoding.ReportFormat.
type SeedValue struct{ Param, Value string }

// Bounds of Defaults.
const (
	// MaxDefaults is how many there are in Options.
	MaxDefaults = 64
	// MaxSeeds is how many Seeds one has, and how many Rows a Seed.
	MaxSeeds = 64
)

// defaults are Defaults made ready; they do not change.
type defaults struct {
	Defaults

	match *cohort.Matcher
	marks []string // of the Seeds
	// byVersion: it depends on the SoftwareVersion who has the Controllers or Roles.
	byVersion bool
}

// readyDefaults makes the Defaults of Options ready.
func (o *Options) readyDefaults() ([]defaults, error) {
	if found := CheckDefaults(o); len(found) > 0 {
		p := found[0]
		return nil, fmt.Errorf("agent: Defaults[%d] %s: %s", p.Index, p.Field, p.Text)
	}
	list := make([]defaults, len(o.Defaults))
	for i := range o.Defaults {
		d := &list[i]
		d.Defaults = o.Defaults[i]
		d.match = cohort.NewMatcher(&d.Select)
		d.byVersion = len(d.Select.SoftwareVersion) > 0 && len(d.Controllers)+len(d.Roles) > 0
		d.Seeds = d.allSeeds()
		for k := range d.Seeds {
			d.marks = append(d.marks, d.Seeds[k].mark())
		}
	}
	return list, nil
}

// allSeeds are the Seeds, and what is given once of the Controllers: before them, so that
// it is there when they notify.
func (d *Defaults) allSeeds() []Seed {
	var list []Seed
	for _, c := range d.Controllers {
		s := Seed{Table: controllerTable, Owner: c.EndpointID}
		if c.ProvisioningCode != "" {
			s.Values = append(s.Values, SeedValue{"ProvisioningCode", c.ProvisioningCode})
		}
		if n := int(c.PeriodicNotifInterval / time.Second); n > 0 {
			s.Values = append(s.Values, SeedValue{"PeriodicNotifInterval", number(n)})
		}
		if len(s.Values) > 0 {
			list = append(list, s)
		}
	}
	return append(list, d.Seeds...)
}

// mark tells Seeds apart by what they are, in eight characters, whatever the order of the
// Values. It is stored: that of a Seed must never be another one.
func (s *Seed) mark() string {
	sum := sha256.Sum256([]byte(s.text()))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

func (s *Seed) text() string {
	parts := []string{s.Table, string(s.Owner), s.Key}
	for _, v := range slices.SortedFunc(slices.Values(s.Values), func(a, b SeedValue) int {
		return strings.Compare(a.Param, b.Param)
	}) {
		parts = append(parts, v.Param+"="+v.Value)
	}
	for i := range s.Rows {
		parts = append(parts, s.Rows[i].text())
	}
	var text strings.Builder
	for _, part := range parts {
		text.WriteString(number(len(part)) + ":" + part)
	}
	return text.String()
}

// key is the value by which the Owner tells the row apart.
func (s *Seed) key() string {
	for _, v := range s.Values {
		if v.Param == s.Key {
			return v.Value
		}
	}
	return ""
}

// DefaultsProblem is something wrong with Options.Defaults[Index], or, below 0, with all.
type DefaultsProblem struct {
	Index int
	profile.Problem
}
