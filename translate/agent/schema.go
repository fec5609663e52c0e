// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strings"

	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// schema is the supported data model of the local tree, shared by all Agents
// and never changed.
type schema struct {
	objects  []*localObject // parents before children
	byPath   map[string]*localObject
	children map[string][]*localObject
	// offers are the commands that an Agent has where its CPE does; see offered.go.
	offers []*command
}

// localObject is one object of the local tree.
type localObject struct {
	model.SupportedObject
	columns  map[string]*column
	commands []*command
	events   []event
	// added fills in the columns that a new row gets by itself.
	added func(t *tx, row string, by usp.EndpointID)
	// check looks at a row that has been made or changed as a whole; the Path of
	// the error is the parameter to blame.
	check func(l *local, row string) *usp.Error
}

// column is one parameter of the local tree.
type column struct {
	model.SupportedParam
	def string
	// fixed is what may be changed only while it has no value: keys, and what a
	// Subscription is about [R-KEY.1].
	fixed bool
	// still never notifies: it changes all the time, or cannot change.
	still bool
	// secured is empty to most; see secret.
	secured bool
	check   func(v string) *usp.Error
	calc    func(a *Agent, object string) string // nil: the value is stored
	first   func(a *Agent, object string) string // instead of def, unless nil
}

// command is one command of the data model, event one event. What an asynchronous
// command has begun, job goes on with.
type command struct {
	name     string // with ()
	async    bool
	in, out  []string
	required []string // mandatory arguments, which may not be empty
	// login: so are Username and Password, which may be, unless the file is the gateway's own.
	login bool
	run   func(a *Agent, c *call) // see operate.go
	job   *job                    // see operate_job.go; may be nil

	// object is where the command is, in generic form, and needs what the CPE must have
	// for it to be there: see offered.go. Empty for the commands of a localObject.
	object string
	needs  needs
}

type event struct {
	name string // with !
	args []string
}

func newSchema(o *Options) *schema {
	gateway := o.Mounts != nil
	s := &schema{byPath: make(map[string]*localObject), children: make(map[string][]*localObject)}
	s.objects = slices.Concat(agentObjects(), controllerObjects(o), subscriptionObjects(), requestObjects(),
		trustObjects(), credentialObjects(), challengeObjects(), certificateObjects(), thresholdObjects())
	if gateway {
		s.objects = append(s.objects, gatewayObjects()...)
	} else {
		s.objects = slices.Concat(s.objects, deviceObjects(), bulkObjects())
	}
	slices.SortFunc(s.objects, func(a, b *localObject) int { return strings.Compare(a.Path, b.Path) })
	if !gateway {
		s.offers = slices.Concat(diagnosticCommands(), triggerCommands(), unitCommands())
	}
	for _, o := range s.objects {
		s.byPath[o.Path] = o
		if up := parentObject(o.Path); up != "" {
			s.children[up] = append(s.children[up], o)
		}
	}
	return s
}

// parentObject returns the object that holds o: Device.A. for Device.A.B. and
// for Device.A.B.{i}. Instantiated paths go by the same rule.
func parentObject(o string) string {
	o = strings.TrimSuffix(o, ".")
	last := o[strings.LastIndexByte(o, '.')+1:]
	if isInstance(last) {
		o = strings.TrimSuffix(o, "."+last)
	}
	i := strings.LastIndexByte(o, '.')
	return o[:i+1]
}

// isInstance reports whether a segment is an instance number or {i}.
func isInstance(segment string) bool {
	return segment == "{i}" || segment != "" && '0' <= segment[0] && segment[0] <= '9'
}

// splitParam splits a parameter, command or event path into its object, with
// the dot, and the rest.
func splitParam(p string) (object, leaf string) {
	i := strings.LastIndexByte(p, '.')
	return p[:i+1], p[i+1:]
}

// obj makes an object; multi is told by its path.
func obj(generic string, columns ...*column) *localObject {
	o := &localObject{columns: make(map[string]*column, len(columns))}
	o.Path, o.Multi = generic, strings.HasSuffix(generic, ".{i}.")
	for _, c := range columns {
		o.columns[c.Name] = c
		o.Params = append(o.Params, c.SupportedParam)
	}
	slices.SortFunc(o.Params, func(a, b model.SupportedParam) int { return strings.Compare(a.Name, b.Name) })
	return o
}

// keyed names the unique keys of a table.
func (o *localObject) keyed(keys ...[]string) *localObject {
	o.Keys = keys
	return o
}

// rows lets Controllers add and delete rows.
func (o *localObject) rows() *localObject {
	o.Add, o.Delete = true, true
	return o
}

// ro is a column that only the Agent writes.
func ro(name string, t path.Type, def string) *column {
	return &column{SupportedParam: model.SupportedParam{Name: name, Type: t}, def: def}
}

// calc is a column whose value is computed.
func calc(name string, t path.Type, f func(a *Agent, object string) string) *column {
	return &column{SupportedParam: model.SupportedParam{Name: name, Type: t}, calc: f}
}

// rw is a column that Controllers may write.
func rw(name string, t path.Type, def string, checks ...func(string) *usp.Error) *column {
	c := &column{SupportedParam: model.SupportedParam{Name: name, Type: t, Access: model.ReadWrite}, def: def}
	if len(checks) > 0 {
		c.check = checks[0]
	}
	return c
}

// once is rw that keeps its first value.
func once(name string, t path.Type, checks ...func(string) *usp.Error) *column {
	c := rw(name, t, "", checks...)
	c.fixed = true
	return c
}

// alias is the Alias of a row: settable in the Add, generated otherwise.
func alias() *column {
	c := once("Alias", path.TypeString, maxLen(64))
	c.Access = model.WriteOnce
	return c
}

// count is the …NumberOfEntries of a table next to it.
func count(table string) *column {
	return calc(table+"NumberOfEntries", path.TypeUnsignedInt, func(a *Agent, object string) string {
		return number(len(a.local.rows[object+table+"."]))
	})
}

func oneOf(values ...string) func(string) *usp.Error {
	return func(v string) *usp.Error {
		if slices.Contains(values, v) {
			return nil
		}
		return &usp.Error{Code: usp.CodeInvalidValue, Text: "want one of " + strings.Join(values, ", ")}
	}
}

func maxLen(n int) func(string) *usp.Error {
	return func(v string) *usp.Error {
		if len(v) <= n {
			return nil
		}
		return &usp.Error{Code: usp.CodeInvalidValue, Text: "longer than " + number(n) + " characters"}
	}
}

func between(low, high uint64) func(string) *usp.Error {
	return func(v string) *usp.Error {
		if n, ok := parseUint(v); ok && low <= n && n <= high {
			return nil
		}
		return &usp.Error{Code: usp.CodeInvalidValue, Text: "out of range"}
	}
}
