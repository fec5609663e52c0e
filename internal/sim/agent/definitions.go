// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/uspgate/uspgate/usp/path"
)

// definitions say what a USP Agent has besides of its device's model, and what of the
// model it does not have. Of each line the first word says what it is:
//
//	hide PATH                        not in the USP variant of Device:2
//	object PATH [add] [delete] [if=PATH]   an object, made if the model has none; if: only if it has that
//	in PATH                          an object, skipped if the model has none
//	key NAME…                        a unique key of it
//	param NAME TYPE ACCESS [DEFAULT [RULE]]   ACCESS is r, rw or once; - is empty
//	secured NAME…, still NAME…       reads as empty; changes are not notified
//	command NAME sync|async [of=PATH] [in=A,B*] [out=A,B]   B is mandatory; of: if the model has PATH,
//	                                 and of the output what PATH has, and Status
//	event NAME [ARG,ARG]
//	row PATH [NAME=VALUE…]           a row that is there
//
//go:embed definitions/*.txt
var definitions embed.FS

// definer applies the lines.
type definer struct {
	m    *Model
	at   *object // nil: skipped
	raw  map[string]bool
	line string
}

// define adds the definitions to a Model, of which raw is all that its file names.
func (m *Model) define(raw map[string]bool) error {
	return eachLine(func(name, line string) error {
		d := &definer{m: m, raw: raw, line: line}
		return d.file(name)
	})
}

// eachLine calls f for each file with its lines.
func eachLine(f func(name, text string) error) error {
	names, _ := fs.Glob(definitions, "definitions/*.txt") // the pattern is well-formed
	for _, name := range names {
		text, err := definitions.ReadFile(name)
		if err != nil {
			return fmt.Errorf("agent: %w", err)
		}
		if err := f(name, string(text)); err != nil {
			return err
		}
	}
	return nil
}

func (d *definer) file(name string) error {
	n := 0
	for line := range strings.Lines(d.line) {
		n++
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if err := d.apply(words[0], words[1:]); err != nil {
			return fmt.Errorf("agent: %s: line %d: %w", name, n, err)
		}
	}
	return nil
}

func (d *definer) apply(verb string, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s of nothing", verb)
	}
	switch verb {
	case "hide":
		return nil // was seen to while the model was read
	case "object":
		if i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "if=") }); i > 0 &&
			!d.raw[strings.TrimPrefix(args[i], "if=")] {
			d.at = nil
			return nil
		}
		d.at = d.m.schema.object(args[0])
		d.at.add = d.at.add || slices.Contains(args, "add")
		d.at.del = d.at.del || slices.Contains(args, "delete")
		return nil
	case "in":
		d.at = d.m.schema.objects[args[0]]
		return nil
	case "row":
		return d.row(args)
	}
	if d.at == nil {
		return nil
	}
	switch verb {
	case "key":
		d.at.keys = append(d.at.keys, args)
	case "param":
		return d.param(args)
	case "secured", "still":
		for _, name := range args {
			if c := d.at.column(name); c != nil {
				c.secured, c.still = c.secured || verb == "secured", c.still || verb == "still"
			}
		}
	case "command":
		d.command(args)
	case "event":
		e := event{name: args[0]}
		if len(args) > 1 {
			e.args = strings.Split(args[1], ",")
		}
		d.at.events = append(d.at.events, e)
	default:
		return fmt.Errorf("unknown word %s", verb)
	}
	return nil
}

func (d *definer) param(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("param %v: want NAME TYPE ACCESS", args)
	}
	t, ok := path.ParseType(args[1])
	level := slices.Index([]string{"r", "rw", "once"}, args[2])
	if !ok || level < 0 {
		return fmt.Errorf("param %s: type %s or access %s is none", args[0], args[1], args[2])
	}
	c := &column{name: args[0], typ: t, access: access(level), def: blank(t)}
	if len(args) > 3 {
		if c.def = args[3]; c.def == "-" {
			c.def = ""
		}
	}
	if len(args) > 4 {
		var err error
		if c.rule, err = parseRule(args[4]); err != nil {
			return err
		}
	}
	if d.at.put(c) == c && !strings.Contains(d.at.path, "{i}") {
		d.m.values[d.at.path+c.name] = c.def
	}
	return nil
}

func (d *definer) command(args []string) {
	c := &command{name: args[0]}
	device := ""
	for _, a := range args[1:] {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "of":
			if device = value; !d.raw[device] {
				return
			}
		case "async":
			c.async = true
		case "in":
			for in := range strings.SplitSeq(value, ",") {
				in, must := strings.CutSuffix(in, "*")
				c.in = append(c.in, in)
				if must {
					c.mandatory = append(c.mandatory, in)
				}
			}
		case "out":
			c.out = strings.Split(value, ",")
		}
	}
	for _, out := range c.out {
		if out == "Status" || device == "" || d.raw[device+out] {
			c.results = append(c.results, out)
		}
	}
	d.at.commands = append(d.at.commands, c)
}

// row makes a row with its defaults, unless its table has rows already.
func (d *definer) row(args []string) error {
	table, number := splitRow(args[0])
	if number == 0 || d.m.schema.objects[table+"{i}."] == nil {
		return fmt.Errorf("row %s is none", args[0])
	}
	if len(d.m.rows[table]) > 0 {
		return nil
	}
	d.m.addRow(table, number)
	for _, a := range args[1:] {
		name, value, _ := strings.Cut(a, "=")
		d.m.values[args[0]+name] = value
	}
	return nil
}

// hidden returns the generic paths that the USP variant does not have.
func hidden() (map[string]bool, error) {
	out := make(map[string]bool)
	err := eachLine(func(_, text string) error {
		for line := range strings.Lines(text) {
			if words := strings.Fields(line); len(words) > 1 && words[0] == "hide" {
				out[words[1]] = true
			}
		}
		return nil
	})
	return out, err
}
