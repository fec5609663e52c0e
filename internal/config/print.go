// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding"
	"reflect"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/translate/cohort"
)

// Print writes cfg as YAML with the doc text of every key above it and secrets
// masked. With Default it makes the reference file configs/uspgate.yaml.
func Print(cfg *Config) string {
	p := printer{seen: map[key]bool{}}
	p.fields(reflect.ValueOf(*cfg), "")
	return p.b.String()
}

// printer documents a key the first time it prints it.
type printer struct {
	b    strings.Builder
	seen map[key]bool
}

// key is a field of a type.
type key struct {
	of    reflect.Type
	index int
}

func (p *printer) fields(v reflect.Value, indent string) {
	t := v.Type()
	binding, _ := v.Interface().(MTP)
	for i := range t.NumField() {
		f := t.Field(i)
		if binding.Type != "" && !binding.applies(f.Tag.Get("for"), f.Tag.Get("side")) {
			continue
		}
		if doc := f.Tag.Get("doc"); doc != "" && !p.seen[key{t, i}] {
			p.b.WriteString(indent + "# " + doc + "\n")
		}
		p.seen[key{t, i}] = true
		p.b.WriteString(indent + f.Tag.Get("yaml") + ":")
		p.field(v.Field(i), indent)
	}
}

func (p *printer) field(v reflect.Value, indent string) {
	switch {
	case isScalar(v):
		p.b.WriteString(" " + quote(text(v)) + "\n")
	case v.Kind() == reflect.Struct:
		p.b.WriteString("\n")
		p.fields(v, indent+"  ")
	case v.Len() == 0:
		p.b.WriteString(" []\n")
	default:
		p.b.WriteString("\n")
		for i := range v.Len() {
			p.item(v.Index(i), indent+"  ")
		}
	}
}

// item prints one entry of a list: its first line carries the dash.
func (p *printer) item(v reflect.Value, indent string) {
	if isScalar(v) {
		p.b.WriteString(indent + "- " + quote(text(v)) + "\n")
		return
	}
	p.b.WriteString(indent + "-\n")
	p.fields(v, indent+"  ")
}

func isScalar(v reflect.Value) bool {
	if _, ok := v.Interface().(encoding.TextMarshaler); ok {
		return true
	}
	return v.Kind() != reflect.Struct && v.Kind() != reflect.Slice
}

func text(v reflect.Value) any {
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		if err != nil {
			return err.Error()
		}
		return string(b)
	}
	return v.Interface()
}

// quote writes a scalar in YAML; a text is quoted where it could be read as
// something else.
func quote(v any) string {
	switch x := v.(type) {
	case bool:
		return strconv.FormatBool(x)
	case int:
		return strconv.Itoa(x)
	case string:
		if x == "" || strings.ContainsAny(x, ":#{}[],&*!|>'\"%@`•") || strings.TrimSpace(x) != x {
			return strconv.Quote(x)
		}
		return x
	default:
		return ""
	}
}

// Schema returns the JSON Schema (2020-12) of the configuration file, ready to
// be marshalled.
func Schema() map[string]any {
	s := schemaOf(reflect.TypeFor[Config]())
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "uspgate configuration"
	return s
}

func schemaOf(t reflect.Type) map[string]any {
	switch t {
	case reflect.TypeFor[Duration]():
		return map[string]any{"type": "string", "examples": []string{"30s"}}
	case reflect.TypeFor[Freshness]():
		return map[string]any{"type": "string", "examples": []string{"30s", "live", "cached"}}
	case reflect.TypeFor[Size]():
		return map[string]any{"type": []string{"string", "integer"}, "examples": []string{"5MiB"}}
	case reflect.TypeFor[cohort.Percent]():
		return map[string]any{"type": []string{"number", "string"}, "examples": []string{"10"}}
	case reflect.TypeFor[cohort.Patterns]():
		return map[string]any{"type": []string{"string", "array"}, "items": map[string]any{"type": "string"}}
	}
	switch t.Kind() {
	case reflect.Struct:
		props := map[string]any{}
		for i := range t.NumField() {
			f := t.Field(i)
			sub := schemaOf(f.Type)
			sub["description"] = f.Tag.Get("doc")
			props[f.Tag.Get("yaml")] = sub
		}
		return map[string]any{"type": "object", "properties": props, "additionalProperties": false}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int:
		return map[string]any{"type": "integer", "minimum": 0}
	default:
		return map[string]any{"type": "string"}
	}
}
