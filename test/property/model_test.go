// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"pgregory.net/rapid"

	"github.com/uspgate/uspgate/internal/sim/cpe"
)

// kinds are the parameters of random models: their columns in the CSV file are
// the type and the rule.
var kinds = []struct {
	typ, rule, def string
	column
}{
	{"string", "", "", column{good: texts, comparable: textual}},
	{"string", "len:0:4", "a", column{good: []string{"", "a", "1234"}, bad: []string{"12345"}, comparable: textual}},
	{"string", "On|Off", "Off", column{good: []string{"On", "Off"}, bad: []string{"on", ""}, comparable: textual}},
	{"unsignedInt", "", "0", column{good: numbers, bad: []string{"-1", "x"}, comparable: numeric}},
	{"int", "-5:5", "0", column{good: []string{"-5", "0", "5"}, bad: []string{"6", "", "z"}, comparable: numeric}},
	{"unsignedLong", "", "0", column{good: []string{"0", "18446744073709551615"}, bad: []string{"18446744073709551616"}}},
	{"boolean", "", "0", column{boolean: true, good: words, bad: []string{"on"}, comparable: textual}},
	{"boolean", "", "true", column{boolean: true, good: words, bad: []string{""}, comparable: textual}},
	{"dateTime", "", "0001-01-01T00:00:00Z", column{good: []string{"2026-11-28T12:00:00Z"}, bad: []string{"today"}}},
	{"base64", "", "", column{good: []string{"", "aGVsbG8="}, bad: []string{"!"}}},
	{"string", "", "fixed", column{bad: []string{"another"}}}, // read-only
}

// classes gives every random model a name of its own: what is learned of a model
// must not be of another one.
var classes atomic.Int64

// drawShape makes a model with tables, tables in them, and an object.
func drawShape(rt *rapid.T) *shape {
	s := &shape{class: "Random" + strconv.FormatInt(classes.Add(1), 10), made: []string{"Alias"}}
	var csv strings.Builder
	line := func(path string, writable bool, value, typ, rule string) {
		w := "0"
		if writable {
			w = "1"
		}
		fmt.Fprintf(&csv, "%s,%s,%q,%s,%s\n", path, w, value, typ, rule)
	}
	csv.WriteString("path,writable,value,type,rule\n")
	for _, o := range []string{"Device.", "Device.DeviceInfo.", "Device.ManagementServer."} {
		line(o, false, "", "object", "")
	}
	for name, v := range map[string]string{
		"Manufacturer": "Random", "ManufacturerOUI": "02A1B2", "SerialNumber": "{serial}",
	} {
		line("Device.DeviceInfo."+name, false, v, "string", "")
	}
	for i := range rapid.IntRange(1, 2).Draw(rt, "tables") {
		t := &table{path: "Device.X_USPGATE_T" + strconv.Itoa(i+1) + ".", columns: drawColumns(rt)}
		s.tables = append(s.tables, t)
		if rapid.Bool().Draw(rt, "nested") {
			sub := &table{path: t.path + "{i}.Sub.", parent: t, columns: drawColumns(rt)}
			t.children = append(t.children, sub)
			s.tables = append(s.tables, sub)
		}
	}
	s.tables = append(s.tables, &table{path: "Device.X_USPGATE_O.", single: true, columns: drawColumns(rt)})
	for _, t := range s.tables {
		t.raw, t.stays = t.path, !t.single && drawBool(rt, "row 1 stays")
		if !t.single {
			t.count = strings.TrimSuffix(t.path, ".") + "NumberOfEntries"
		}
		t.lines(func(path string, writable bool, value, typ, rule string) {
			if path == t.count && t.parent == nil {
				value = "1"
			}
			line(path, writable, value, typ, rule)
		})
		if !t.single { // what a table of a vendor has is known since there was a row
			t.lines(func(path string, writable bool, value, typ, rule string) {
				if strings.HasSuffix(path, "NumberOfEntries") {
					value = "1"
				}
				if path != in(path, 1, 1) {
					stays := t.stays && path == t.path+"{i}."
					line(in(path, 1, 1), writable && !stays, value, typ, rule)
				}
			})
		}
	}
	var err error
	if s.model, err = cpe.Load(s.class, strings.NewReader(csv.String())); err != nil {
		rt.Fatalf("%v in\n%s", err, csv.String())
	}
	return s
}

// lines are those of the table and of its rows.
func (t *table) lines(line func(path string, writable bool, value, typ, rule string)) {
	line(t.path, !t.single, "", "object", "")
	if !t.single {
		line(t.count, false, "0", "unsignedInt", "")
		line(t.path+"{i}.", true, "", "object", "")
	}
	for i := range t.columns {
		c := &t.columns[i]
		k := kinds[c.kind()]
		line(t.row(nil, true)+c.raw, len(c.good) > 0, k.def, k.typ, k.rule)
	}
}

// drawColumns makes 1 to 4 columns; their names say which kind they are of.
func drawColumns(rt *rapid.T) []column {
	var out []column
	for i, k := range rapid.SliceOfN(rapid.IntRange(0, len(kinds)-1), 1, 4).Draw(rt, "columns") {
		c := kinds[k].column
		c.name = string(rune('A'+i)) + strconv.Itoa(k)
		c.raw, c.def = c.name, c.word(kinds[k].def)
		out = append(out, c)
	}
	return out
}

// kind is the index in kinds of a column that drawColumns has made.
func (c *column) kind() int {
	n, err := strconv.Atoi(c.name[1:])
	if err != nil {
		panic(err)
	}
	return n
}
