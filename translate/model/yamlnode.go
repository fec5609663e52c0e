// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// ErrRules is wrapped by every error of Load that is about the content of a
// rule file.
var ErrRules = errors.New("rule file is not valid")

// yval is a value of a rule file that knows where it stands.
type yval struct {
	node    ast.Node
	file    string
	anchors map[string]ast.Node
}

// maxDepth bounds the nesting of a rule file.
const maxDepth = 32

// parseYAML reads the one document of a file; ok is false if it is empty.
func parseYAML(file string, text []byte) (doc yval, ok bool, err error) {
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return yval{}, false, fmt.Errorf("%s: %w: %w", file, ErrRules, err)
	}
	if len(f.Docs) > 1 {
		return yval{}, false, fmt.Errorf("%s: %w: one document per file, not %d", file, ErrRules, len(f.Docs))
	}
	if len(f.Docs) == 0 || f.Docs[0].Body == nil {
		return yval{}, false, nil
	}
	y := yval{node: f.Docs[0].Body, file: file, anchors: map[string]ast.Node{}}
	if err := y.anchor(y.node, 0); err != nil {
		return yval{}, false, err
	}
	return y, true, nil
}

// anchor collects the anchors below n and checks the depth.
func (y yval) anchor(n ast.Node, depth int) error {
	if depth > maxDepth {
		return y.with(n).errf("nested deeper than %d", maxDepth)
	}
	switch n := n.(type) {
	case *ast.AnchorNode:
		y.anchors[n.Name.GetToken().Value] = n.Value
		return y.anchor(n.Value, depth+1)
	case *ast.MappingNode:
		for _, kv := range n.Values {
			if err := y.anchor(kv.Value, depth+1); err != nil {
				return err
			}
		}
	case *ast.MappingValueNode:
		return y.anchor(n.Value, depth+1)
	case *ast.SequenceNode:
		for _, v := range n.Values {
			if err := y.anchor(v, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (y yval) with(n ast.Node) yval { y.node = n; return y }

// bare follows anchors, aliases and tags to the value itself.
func (y yval) bare() ast.Node {
	n := y.node
	for range maxDepth {
		switch t := n.(type) {
		case *ast.AnchorNode:
			n = t.Value
		case *ast.AliasNode:
			n = y.anchors[t.Value.GetToken().Value]
		case *ast.TagNode:
			n = t.Value
		default:
			return n
		}
	}
	return nil
}

// where is file:line:column.
func (y yval) where() string {
	if y.node == nil || y.node.GetToken() == nil || y.node.GetToken().Position == nil {
		return y.file
	}
	p := y.node.GetToken().Position
	return fmt.Sprintf("%s:%d:%d", y.file, p.Line, p.Column)
}

func (y yval) errf(format string, args ...any) error {
	return fmt.Errorf("%s: %w: %s", y.where(), ErrRules, fmt.Sprintf(format, args...))
}

// kind says what a value is, for error texts.
func (y yval) kind() string {
	switch y.bare().(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	default:
		return "a scalar"
	}
}

func (y yval) isNull() bool { return y.kind() == "nothing" }
func (y yval) isMap() bool  { return y.kind() == "a mapping" }
func (y yval) isList() bool { return y.kind() == "a list" }

// str reads a scalar of any YAML type by its text.
func (y yval) str() (string, error) {
	switch n := y.bare().(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, nil
	default:
		return "", y.errf("want a text, got %s", y.kind())
	}
}

// flag reads true or false.
func (y yval) flag() (bool, error) {
	s, err := y.str()
	if err != nil || (s != "true" && s != "false") {
		return false, y.errf("want true or false")
	}
	return s == "true", nil
}

// items returns the items of a list; a scalar stands for a list of itself.
func (y yval) items() ([]yval, error) {
	switch n := y.bare().(type) {
	case *ast.SequenceNode:
		out := make([]yval, 0, len(n.Values))
		for _, v := range n.Values {
			out = append(out, y.with(v))
		}
		return out, nil
	case nil, *ast.NullNode:
		return nil, nil
	case *ast.MappingNode, *ast.MappingValueNode:
		return nil, y.errf("want a list, got a mapping")
	default:
		return []yval{y}, nil
	}
}

// strs reads a list of texts.
func (y yval) strs() ([]string, error) {
	items, err := y.items()
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(items))
	for _, it := range items {
		s, err := it.str()
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// each calls f for every key of a mapping, in the file's order. An absent value
// is an empty mapping; a key twice is an error.
func (y yval) each(f func(key string, k, v yval) error) error {
	var kvs []*ast.MappingValueNode
	switch n := y.bare().(type) {
	case nil, *ast.NullNode:
		return nil
	case *ast.MappingNode:
		kvs = n.Values
	case *ast.MappingValueNode:
		kvs = []*ast.MappingValueNode{n}
	default:
		return y.errf("want a mapping, got %s", y.kind())
	}
	seen := make(map[string]bool, len(kvs))
	for _, kv := range kvs {
		k := y.with(kv.Key)
		if kv.Key.GetToken() == nil {
			return y.errf("a key is missing")
		}
		key := kv.Key.GetToken().Value
		if seen[key] {
			return k.errf("%q appears twice", key)
		}
		seen[key] = true
		if err := f(key, k, y.with(kv.Value)); err != nil {
			return err
		}
	}
	return nil
}

// fields reads a mapping with known keys; any other key is an error.
func (y yval) fields(known map[string]func(v yval) error) error {
	return y.each(func(key string, k, v yval) error {
		f := known[key]
		if f == nil {
			return k.errf("unknown key %q", key)
		}
		return f(v)
	})
}

// into returns a field reader that stores a text.
func into(dst *string) func(yval) error {
	return func(v yval) (err error) { *dst, err = v.str(); return err }
}

// intoStrs returns a field reader that stores a list of texts.
func intoStrs(dst *[]string) func(yval) error {
	return func(v yval) (err error) { *dst, err = v.strs(); return err }
}

// intoFlag returns a field reader that stores true or false.
func intoFlag(dst *bool) func(yval) error {
	return func(v yval) (err error) { *dst, err = v.flag(); return err }
}

// validSegment reports a name of the grammar of data models, or {i}.
func validSegment(s string) bool {
	if s == "{i}" || instanceNumber(s) != 0 {
		return true
	}
	if s == "" || strings.ContainsAny(s[:1], "0123456789-") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
