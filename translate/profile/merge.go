// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Merge returns p with every field that more has; lists are replaced as a whole, the
// fields of Download one by one. P and more stay as they are, and share their lists with
// the result.
func (p Profile) Merge(more Profile) Profile {
	merge(reflect.ValueOf(&p).Elem(), reflect.ValueOf(&more).Elem())
	return p
}

func merge(to, from reflect.Value) {
	for i := range from.NumField() {
		switch f := from.Field(i); {
		case f.Kind() == reflect.Struct:
			merge(to.Field(i), f)
		case !f.IsZero():
			to.Field(i).Set(f)
		}
	}
}

// IsZero reports whether p is that of a CPE as the standard has it.
func (p *Profile) IsZero() bool { return reflect.ValueOf(p).Elem().IsZero() }

// Trait is a field of a Profile for somebody who reads it.
type Trait struct {
	Name  string // as in JSON, such as "download.no_port"
	Value string
	From  string // the layer, such as "built-in", "cwmp.profiles[2]" or "learned"
}

// Layer is a Profile with where it is from.
type Layer struct {
	From    string
	Profile Profile
}

// Traits returns the fields that the layers set, as Merge takes them, in the order of
// the fields.
func Traits(layers []Layer) []Trait {
	var all []Trait
	for _, l := range layers {
		for _, t := range l.Profile.traits() {
			t.From = l.From
			if i := slices.IndexFunc(all, func(have Trait) bool { return have.Name == t.Name }); i >= 0 {
				all[i] = t
				continue
			}
			all = append(all, t)
		}
	}
	order := names(reflect.TypeFor[Profile](), "")
	slices.SortFunc(all, func(a, b Trait) int {
		return slices.Index(order, a.Name) - slices.Index(order, b.Name)
	})
	return all
}

// names are those of the fields, in order.
func names(t reflect.Type, prefix string) []string {
	var list []string
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Type.Kind() == reflect.Struct {
			list = append(list, names(f.Type, prefix+nameOf(f)+".")...)
			continue
		}
		list = append(list, prefix+nameOf(f))
	}
	return list
}

func nameOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func (p *Profile) traits() []Trait { return traits(reflect.ValueOf(p).Elem(), "") }

func traits(v reflect.Value, prefix string) []Trait {
	var list []Trait
	for i := range v.NumField() {
		f, name := v.Field(i), prefix+nameOf(v.Type().Field(i))
		switch {
		case f.Kind() == reflect.Struct:
			list = append(list, traits(f, name+".")...)
		case !f.IsZero():
			list = append(list, Trait{Name: name, Value: textOf(f)})
		}
	}
	return list
}

func textOf(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case []string:
		return strings.Join(x, ", ")
	case time.Duration:
		return x.String()
	default:
		return fmt.Sprint(x)
	}
}
