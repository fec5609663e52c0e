// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/uspgate/uspgate/translate/cohort"
)

// positions remembers where each path of the configuration stands in the file.
type positions map[string]place

type place struct{ line, column int }

// decoder fills a Config from a syntax tree and collects every problem on the
// way, with its place.
type decoder struct {
	file     string
	problems ProblemsError
	// unreadable: the text is not YAML, so that nothing can be said of the rest.
	unreadable bool
	at         positions
}

// decode parses text and applies it to cfg.
func (d *decoder) decode(text []byte, cfg *Config) {
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		d.syntax(err)
		return
	}
	for _, doc := range tree.Docs {
		if doc.Body != nil {
			d.value("", doc.Body, reflect.ValueOf(cfg).Elem())
		}
	}
}

// syntax reports an error of the YAML parser, whose text begins with
// "[line:column] ".
func (d *decoder) syntax(err error) {
	d.unreadable = true
	p := Problem{File: d.file, Text: err.Error()}
	first, _, _ := strings.Cut(err.Error(), "\n")
	if _, serr := fmt.Sscanf(first, "[%d:%d]", &p.Line, &p.Column); serr == nil {
		_, p.Text, _ = strings.Cut(first, "] ")
	}
	d.problems = append(d.problems, p)
}

func (d *decoder) problem(path string, node ast.Node, text, hint string) {
	pos := node.GetToken().Position
	d.problems = append(d.problems, Problem{
		File: d.file, Line: pos.Line, Column: pos.Column, Path: path, Text: text, Hint: hint,
	})
}

// value decodes node into v, whose path is given.
func (d *decoder) value(path string, node ast.Node, v reflect.Value) {
	pos := node.GetToken().Position
	if _, seen := d.at[path]; !seen {
		d.at[path] = place{pos.Line, pos.Column}
	}
	switch n := node.(type) {
	case *ast.TagNode, *ast.AnchorNode, *ast.AliasNode:
		d.problem(path, node, "tags, anchors and aliases are not supported", "write the value out")
		return
	case *ast.NullNode:
		return // an empty value keeps the default
	case *ast.MappingValueNode:
		d.mapping(path, node, []*ast.MappingValueNode{n}, v)
		return
	case *ast.MappingNode:
		d.mapping(path, node, n.Values, v)
		return
	case *ast.SequenceNode:
		d.sequence(path, n, v)
		return
	}
	d.scalar(path, node, v)
}

func (d *decoder) mapping(path string, node ast.Node, values []*ast.MappingValueNode, v reflect.Value) {
	if v.Kind() != reflect.Struct {
		d.problem(path, node, "a mapping is not expected here", "write "+expected(v.Type()))
		return
	}
	for _, mv := range values {
		key := mv.Key.GetToken().Value
		sub := join(path, key)
		keyPos := mv.Key.GetToken().Position
		d.at[sub] = place{keyPos.Line, keyPos.Column}
		f, ok := fieldByKey(v, key)
		if !ok {
			d.unknownKey(sub, key, mv.Key, v.Type())
			continue
		}
		d.value(sub, mv.Value, f)
	}
}

func (d *decoder) unknownKey(path, key string, node ast.Node, t reflect.Type) {
	known := keys(t)
	hint := "known keys: " + strings.Join(known, ", ")
	if n := nearest(key, known); n != "" {
		hint = "did you mean " + n + "?"
	}
	d.problem(path, node, "unknown key", hint)
}

func (d *decoder) sequence(path string, n *ast.SequenceNode, v reflect.Value) {
	if v.Kind() != reflect.Slice {
		d.problem(path, n, "a list is not expected here", "write "+expected(v.Type()))
		return
	}
	out := reflect.MakeSlice(v.Type(), 0, len(n.Values))
	for i, item := range n.Values {
		e := reflect.New(v.Type().Elem()).Elem()
		if e.Type() == reflect.TypeFor[MTP]() {
			m := DefaultMTP("", textOf(item, "type"))
			if textOf(item, "connect") != "" {
				m.Listen = ""
			}
			e.Set(reflect.ValueOf(m))
		}
		if s, ok := e.Addr().Interface().(interface{ SetDefaults() }); ok {
			s.SetDefaults()
		}
		d.value(path+"["+strconv.Itoa(i)+"]", item, e)
		out = reflect.Append(out, e)
	}
	v.Set(out)
}

// textOf finds the value of a key in an entry of mtp on which its defaults
// depend.
func textOf(node ast.Node, key string) string {
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	}
	for _, mv := range values {
		if mv.Key.GetToken().Value == key {
			return mv.Value.GetToken().Value
		}
	}
	return ""
}

func (d *decoder) scalar(path string, node ast.Node, v reflect.Value) {
	text := node.GetToken().Value
	if s, ok := node.(*ast.StringNode); ok {
		text = s.Value
	}
	if l, ok := node.(*ast.LiteralNode); ok {
		text = l.Value.Value
	}
	if err := setText(v, text); err != nil {
		d.problem(path, node, err.Error(), "")
	}
}

// setText sets a scalar field from its text; the error is a sentence.
func setText(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		switch text {
		case "true", "false":
			v.SetBool(text == "true")
		default:
			return fmt.Errorf("%q is not true or false", text)
		}
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a whole number", text)
		}
		v.SetInt(int64(n))
	default:
		return fmt.Errorf("want %s", expected(v.Type()))
	}
	return nil
}

// fieldByKey finds the field whose yaml tag is key.
func fieldByKey(v reflect.Value, key string) (reflect.Value, bool) {
	t := v.Type()
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") == key {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func keys(t reflect.Type) []string {
	out := make([]string, t.NumField())
	for i := range out {
		out[i] = t.Field(i).Tag.Get("yaml")
	}
	return out
}

func expected(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Duration]():
		return "a duration such as 30s"
	case reflect.TypeFor[Size]():
		return "a size such as 5MiB"
	case reflect.TypeFor[cohort.Percent]():
		return "a percentage such as 10 or 0.5"
	case reflect.TypeFor[cohort.Patterns]():
		return "a text or a list of texts"
	}
	switch t.Kind() {
	case reflect.Struct:
		return "a mapping with " + strings.Join(keys(t), ", ")
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	default:
		return "a text"
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
