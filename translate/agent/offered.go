// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strings"

	"github.com/uspgate/uspgate/translate/model"
)

// needs is what a CPE has to have for a command to be there: an object or parameter
// below its root, with {i} for any instance. Empty: no CPE with that root has it.
type needs struct{ tr181, tr098 string }

func (n needs) of(r model.Root) string {
	if r == model.TR098 {
		return n.tr098
	}
	return n.tr181
}

// offers says, for each of schema.offers, whether it is there.
type offers []bool

// offering is the offers of one Agent, for the model.View.Shapes of its CPE that they
// were made of.
type offering struct {
	of     *model.View
	shapes uint64
	list   offers
}

// shownModel is what is shown of a CPE; nothing, where nothing is known of it.
type shownModel struct {
	supported *model.Supported
	offers    offers
}

// offered looks for what the commands need. A command of a table is there only where the
// table is, and where that has had no rows yet it is there as Device:2 has it.
func (s *schema) offered(v *model.View) offers {
	list := make(offers, len(s.offers))
	sup := v.Supported()
	for i, c := range s.offers {
		name := c.needs.of(v.Root())
		if name == "" {
			continue
		}
		list[i] = v.Known(v.Root().Prefix() + name)
		if strings.Contains(c.object, "{i}") {
			o := sup.Object(c.object)
			list[i] = o != nil && (list[i] || !o.Seen) // [TR-181] what its rows will have
		}
	}
	return list
}

// offers returns what the CPE has commands for. The lock is held.
func (a *Agent) offers() offers {
	if a.view == nil {
		return nil
	}
	if o := &a.offering; o.of != a.view || o.shapes != a.view.Shapes() {
		a.offering = offering{a.view, a.view.Shapes(), a.local.schema.offered(a.view)}
	}
	return a.offering.list
}

// commandsOf returns the commands of an object in generic form, sorted where it is
// the CPE that has them.
func (s *schema) commandsOf(generic string, o offers) []*command {
	var list []*command
	if own := s.byPath[generic]; own != nil {
		list = own.commands
	}
	for i := range o {
		if o[i] && s.offers[i].object == generic {
			list = append(slices.Clip(list), s.offers[i])
		}
	}
	return list
}

// offeredObjects returns the objects that are there for the sake of their commands, and
// those above them.
func (s *schema) offeredObjects(o offers) []string {
	var list []string
	for i := range o {
		if !o[i] || strings.Contains(s.offers[i].object, "{i}") {
			continue
		}
		for object := s.offers[i].object; object != ""; object = parentObject(object) {
			if !slices.Contains(list, object) {
				list = append(list, object)
			}
		}
	}
	return list
}

// hasOffers reports whether an object, no table, is there for the sake of commands.
func (a *Agent) hasOffers(object string) bool {
	if strings.Contains(object, "{i}") || isLocal(object) {
		return false
	}
	o := a.offers()
	for i := range o {
		if at := a.local.schema.offers[i].object; o[i] && strings.HasPrefix(at, object) && !strings.Contains(at, "{i}") {
			return true
		}
	}
	return false
}
