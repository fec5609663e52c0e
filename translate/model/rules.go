// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"github.com/uspgate/uspgate/usp/path"
)

// objectRule declares one object of Device:2.
type objectRule struct {
	path     string // generic, "Device.WiFi.SSID.{i}."
	multi    bool
	add, del bool
	keys     [][]string
	params   map[string]*paramDecl
	names    []string // of params, sorted
}

// paramDecl declares one parameter of Device:2.
type paramDecl struct {
	name   string
	typ    path.Type
	access Access
	secret bool
	counts string // the child table whose rows it counts, "SSID"
}

// mapping makes the rows of one object of Device:2 from objects of the CPE.
type mapping struct {
	to     *objectRule
	parent *mapping // of a sub-mapping
	leaf   string   // the last name of to: "SSID", "Stats"
	from   srcPath  // relative to the parent's source
	when   condSet
	group  []groupKey
	split  srcPath // a comma list, one row per item
	isList bool
	skip   []string // items of the list that are no row
	number numbering
	fixed  uint32
	add    *addRule
	stack  bool
	params []*paramRule
	byName map[string]*paramRule
	subs   []*mapping
	where  string
}

// numbering is how rows get their instance number.
type numbering uint8

const (
	numberMapped numbering = iota // by the InstanceMap
	numberSource                  // the CPE's own
	numberFixed                   // always the same: there is one row
)

// groupKey is one way to tell which group a source belongs to.
type groupKey struct {
	param *srcPath // its value is the key, unless empty
	key   string   // the key where when holds
	when  condSet
}

// addRule chooses the CPE's table for a new row.
type addRule struct {
	by  string   // parameter of the new row that refers to the parent
	def *srcPath // parameter of the CPE that names the default parent
}

// paramRule fills one parameter of Device:2 by the first recipe that applies.
type paramRule struct {
	decl    *paramDecl
	recipes []*recipe
}

// recipeKind is what a recipe does.
type recipeKind uint8

const (
	kindDirect recipeKind = iota // value of a CPE parameter, converted
	kindConst                    // fixed text
	kindKey                      // the row's group key
	kindItem                     // the row's item of a split list
	kindCases                    // decision over several CPE parameters
	kindRef                      // the Device:2 row made of a related CPE object
	kindPath                     // the CPE's value is a path: its Device:2 row
	kindCount                    // number of rows of a child table
	kindList                     // list of texts by conditions
	kindAlias                    // kept by the gateway
)

// aggregate joins the values of several sources.
type aggregate uint8

const (
	aggFirst aggregate = iota
	aggAny
	aggAll
	aggSum
	aggJoin
)

type recipe struct {
	kind   recipeKind
	from   []srcPath
	when   condSet
	text   string
	enum   *enumTable
	conv   *converter
	cases  []caseRule
	tables []string // of kindRef and kindPath, generic
	at     *srcPath
	agg    aggregate
	list   []listItem
	keep   bool // the sources stay visible in pass-through
	ro     bool
}

// caseRule is one line of a decision: value is what Device:2 shows when the
// condition holds, set what the CPE is given for it.
type caseRule struct {
	value string
	when  condSet
	set   []caseSet
}

type caseSet struct {
	path  srcPath
	value string
}

type listItem struct {
	value string
	when  condSet
}

// enumTable translates single values, both ways.
type enumTable struct {
	read  map[string]string // by lower-case CPE value
	write map[string]string // by Device:2 value, the first line of the file wins
	open  bool              // values that are in no line pass
}

// Rules are the compiled rule files. They are immutable and shared by the Views
// of all CPE.
type Rules struct {
	objects map[string]*objectRule
	order   []*objectRule   // by path
	maps    []*mapping      // of TR-098 CPE, in the order of the files
	sources map[string]bool // generic CPE tables that mappings make rows of
	hide    [2]*pattern     // by Root
	drop    *pattern        // of TR-098: neither mapped nor passed through
	secrets []string        // lower-case endings of names
	sum     uint64          // of the files
}

// Sum tells these Rules from others: what other files say of a CPE may be something
// else.
func (r *Rules) Sum() uint64 { return r.sum }

// declAt is decl for an instantiated path.
func (r *Rules) declAt(p string) *paramDecl {
	var buf [256]byte
	var nums [maxNameDepth]uint32
	obj, leaf := splitLeaf(p)
	generic, _ := appendGeneric(buf[:0], nums[:0], obj)
	if o := r.objects[string(generic)]; o != nil {
		return o.params[leaf]
	}
	return nil
}

// decl returns the declaration of a generic Device:2 parameter path.
func (r *Rules) decl(genericPath string) *paramDecl {
	obj, leaf := splitLeaf(genericPath)
	if o := r.objects[obj]; o != nil {
		return o.params[leaf]
	}
	return nil
}
