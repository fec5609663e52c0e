// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strings"

	"github.com/uspgate/uspgate/usp/path"
)

// access says who may write a parameter.
type access uint8

const (
	readOnly access = iota
	readWrite
	writeOnce // by the Add that makes its row [writeOnceReadOnly]
)

// object is one object of the supported data model.
type object struct {
	path     string // generic, ends in a dot
	multi    bool
	add, del bool
	keys     [][]string
	columns  []*column // in the order of their names
	commands []*command
	events   []event
}

// column is one parameter of the supported data model.
type column struct {
	name    string
	typ     path.Type
	access  access
	def     string // of a new row
	rule    *rule
	secured bool // reads as empty
	still   bool // changes without being notified
}

// command is one command of the data model.
type command struct {
	name      string // with ()
	async     bool
	in, out   []string
	mandatory []string
	// results are the output arguments that the device has.
	results []string
}

// event is one event of the data model.
type event struct {
	name string // with !
	args []string
}

// schema is the supported data model.
type schema struct {
	objects map[string]*object // by generic path
}

// object returns the object of a generic path, and makes it with all that it is in.
func (s *schema) object(generic string) *object {
	if o := s.objects[generic]; o != nil {
		return o
	}
	o := &object{path: generic, multi: strings.HasSuffix(generic, ".{i}.")}
	s.objects[generic] = o
	if up := parent(generic); up != "" {
		s.object(up)
	}
	return o
}

// sorted returns the objects, parents before children.
func (s *schema) sorted() []*object {
	list := make([]*object, 0, len(s.objects))
	for _, o := range s.objects {
		list = append(list, o)
	}
	slices.SortFunc(list, func(x, y *object) int { return strings.Compare(x.path, y.path) })
	return list
}

// column returns a parameter by generic path.
func (s *schema) column(generic string) *column {
	in, name := split(generic)
	if o := s.objects[in]; o != nil {
		return o.column(name)
	}
	return nil
}

func (o *object) column(name string) *column {
	at, ok := o.place(name)
	if !ok {
		return nil
	}
	return o.columns[at]
}

// place is where a column of that name is, or would be.
func (o *object) place(name string) (at int, ok bool) {
	return slices.BinarySearchFunc(o.columns, name, func(c *column, n string) int { return strings.Compare(c.name, n) })
}

// put adds a parameter, unless there is one of that name, and returns what there is.
func (o *object) put(c *column) *column {
	at, ok := o.place(c.name)
	if !ok {
		o.columns = slices.Insert(o.columns, at, c)
	}
	return o.columns[at]
}

func (o *object) command(name string) *command {
	for _, c := range o.commands {
		if c.name == name {
			return c
		}
	}
	return nil
}

func (o *object) event(name string) *event {
	for i := range o.events {
		if o.events[i].name == name {
			return &o.events[i]
		}
	}
	return nil
}

// parent returns the object that another one is in; a table has no object of its own:
// Device.A. for Device.A.B. and for Device.A.B.{i}. "" for Device.
func parent(generic string) string {
	s := strings.TrimSuffix(strings.TrimSuffix(generic, "."), ".{i}")
	return s[:strings.LastIndexByte(s, '.')+1]
}

// split takes a path apart: the object with its dot, and the rest.
func split(p string) (object, name string) {
	at := strings.LastIndexByte(p, '.') + 1
	return p[:at], p[at:]
}

// blank is the value of a parameter that nothing is said of.
func blank(t path.Type) string {
	switch {
	case t.IsList():
		return ""
	case t == path.TypeBoolean:
		return "false"
	case t == path.TypeDateTime:
		return unknownTime
	case path.Valid(t, ""):
		return ""
	default:
		return "0"
	}
}

// unknownTime is the dateTime of what is not known [R-ENC.6].
const unknownTime = "0001-01-01T00:00:00Z"
