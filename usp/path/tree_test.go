// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path_test

import (
	"slices"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/usp/path"
)

// tree is a path.Tree made of parameters; everything supported exists. The
// types of parameters are those of types by name, string otherwise.
type tree struct {
	values  map[string]string
	rows    map[string][]uint32
	objects map[string]bool // generic path → is a table
	params  map[string]path.Type
	reads   int
}

func newTree(values map[string]string) *tree {
	t := &tree{
		values: values, rows: map[string][]uint32{},
		objects: map[string]bool{}, params: map[string]path.Type{},
	}
	for p, v := range values {
		object, name := p[:strings.LastIndexByte(p, '.')+1], p[strings.LastIndexByte(p, '.')+1:]
		t.addObject(object)
		if name != "" {
			t.params[path.Generic(p)] = typeOf(name)
		}
		_ = v
	}
	for table := range t.rows {
		slices.Sort(t.rows[table])
	}
	return t
}

func (t *tree) addObject(object string) {
	for i := range len(object) {
		if object[i] != '.' {
			continue
		}
		prefix := object[:i+1]
		generic := path.Generic(prefix)
		t.objects[generic] = strings.HasSuffix(generic, "{i}.")
		table := prefix[:strings.LastIndexByte(object[:i], '.')+1]
		if n, err := strconv.ParseUint(prefix[len(table):i], 10, 32); err == nil {
			if !slices.Contains(t.rows[table], uint32(n)) {
				t.rows[table] = append(t.rows[table], uint32(n))
			}
		}
	}
}

// typeOf gives the test parameters their types.
func typeOf(name string) path.Type {
	switch name {
	case "Enable":
		return path.TypeBoolean
	case "Order", "Port":
		return path.TypeUnsignedInt
	case "Offset":
		return path.TypeInt
	case "LastChange":
		return path.TypeDateTime
	case "LowerLayers", "Tags":
		return path.TypeString | path.List
	default:
		return path.TypeString
	}
}

func (t *tree) SupportedObject(generic string) (multi, ok bool) {
	multi, ok = t.objects[generic]
	return multi, ok
}

func (t *tree) SupportedParam(generic string) (path.Type, bool) {
	typ, ok := t.params[generic]
	return typ, ok
}

func (t *tree) Instances(table string) []uint32 { return t.rows[table] }

func (t *tree) Value(param string) (string, bool) {
	t.reads++
	v, ok := t.values[param]
	return v, ok
}
