// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bulk

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/uspgate/uspgate/usp/path"
)

// JSON is Profile.{i}.JSONEncoding. A report is {"Report":[{"CollectionTime":…, …}]}: a
// boolean is true or false, an integer a number, everything else a string. The zero value
// is ObjectHierarchy without CollectionTime.
type JSON struct {
	// Format is ObjectHierarchy, names in objects of their segments, or NameValuePair.
	Format    Format
	Timestamp Timestamp
}

var _ Encoder = JSON{}

// collectionTime is the member of a report that says when it was collected. It leaves no
// room for a parameter of that Name.
const collectionTime = "CollectionTime"

// Encode implements Encoder. In an ObjectHierarchy a Name that goes on behind another Name
// (A.B, where A is a parameter) has the rest of it as one key beside that.
func (j JSON) Encode(params []Param, at time.Time, limit int) (string, error) {
	root := &node{}
	taken := ""
	if text, ok := j.Timestamp.text(at); ok {
		taken = collectionTime
		if j.Timestamp == ISO8601 {
			text = quote(text)
		}
		root.put(collectionTime, text)
	}
	params = unique(params, taken)
	leaves := make(map[string]bool, len(params))
	for i := range params {
		leaves[params[i].Name] = true
	}
	size := 0
	for i := range params {
		p := &params[i]
		if size += len(p.Value); size > limit {
			return "", ErrTooLarge
		}
		if j.Format == NameValuePair {
			root.put(p.Name, jsonValue(p))
		} else {
			root.putBelow(p.Name, jsonValue(p), leaves)
		}
	}
	w := &writer{limit: limit}
	w.add(`{"Report":[`)
	root.write(w)
	w.add(`]}`)
	return w.result()
}

// node is an object, or a value, of a report.
type node struct {
	value string // of a leaf, as JSON
	keys  []string
	below map[string]*node
}

func (n *node) at(key string) *node {
	c := n.below[key]
	if c == nil {
		if n.below == nil {
			n.below = make(map[string]*node)
		}
		c = &node{}
		n.below[key] = c
		n.keys = append(n.keys, key)
	}
	return c
}

func (n *node) put(key, value string) { n.at(key).value = value }

// putBelow puts a value where its name says. Leaves are all names.
func (n *node) putBelow(name, value string, leaves map[string]bool) {
	for from := 0; ; {
		dot := strings.IndexByte(name[from:], '.')
		if dot < 0 || leaves[name[:from+dot]] || n.below[name[from:from+dot]].isValue() {
			n.put(name[from:], value)
			return
		}
		n = n.at(name[from : from+dot])
		from += dot + 1
	}
}

func (n *node) isValue() bool { return n != nil && n.value != "" }

func (n *node) write(w *writer) {
	if n.isValue() {
		w.add(n.value)
		return
	}
	w.add("{")
	for i, key := range n.keys {
		if i > 0 {
			w.add(",")
		}
		w.add(quote(key))
		w.add(":")
		n.below[key].write(w)
	}
	w.add("}")
}

// quote returns a JSON string.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""` // never: what is not UTF-8 is replaced
	}
	return string(b)
}

func jsonValue(p *Param) string {
	v := strings.TrimSpace(p.Value)
	switch p.Type {
	case path.TypeBoolean:
		switch v {
		case "true", "1":
			return "true"
		case "false", "0":
			return "false"
		}
	case path.TypeInt, path.TypeUnsignedInt, path.TypeLong, path.TypeUnsignedLong:
		if v != "" && path.Valid(p.Type, v) {
			return jsonNumber(v)
		}
	default:
	}
	return quote(p.Value) // also what is not of its type
}

// jsonNumber takes the sign and the zeros off that JSON does not have.
func jsonNumber(v string) string {
	minus := strings.HasPrefix(v, "-")
	v = strings.TrimLeft(strings.TrimLeft(v, "+-"), "0")
	switch {
	case v == "":
		return "0"
	case minus:
		return "-" + v
	default:
		return v
	}
}

// writer collects a text up to a limit.
type writer struct {
	b     strings.Builder
	limit int
	over  bool
}

func (w *writer) add(s string) {
	if w.over = w.over || w.b.Len()+len(s) > w.limit; !w.over {
		w.b.WriteString(s)
	}
}

func (w *writer) result() (string, error) {
	if w.over {
		return "", ErrTooLarge
	}
	return w.b.String(), nil
}
