// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// Bounds of a model file.
const (
	maxModelBytes = 64 << 20
	maxModelRows  = 200_000
)

//go:embed models/access-point.csv
var models embed.FS

// Model is the data model of a device with its factory values. An Agent takes it over:
// each needs its own.
type Model struct {
	*tree

	serial string
}

// OpenDefault opens the CSV file of the default model: a small access point with one
// radio and two SSIDs. The caller closes it.
func OpenDefault() (io.ReadCloser, error) {
	f, err := models.Open("models/access-point.csv")
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	return f, nil
}

// defaultModel is that of OpenDefault, with the serial number 1.
func defaultModel() (*Model, error) {
	f, err := OpenDefault()
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return LoadModel(f, "1")
}

// EndpointID returns os::OUI-ProductClass-SerialNumber of the device.
func (m *Model) EndpointID() usp.EndpointID {
	info := func(name string) string { return m.values[deviceInfo+name] }
	id := info("ManufacturerOUI") + "-" + info("ProductClass") + "-" + info("SerialNumber")
	return usp.EndpointID("os::" + usp.EscapeInstance(id))
}

// LoadModel reads a Device:2 model in the format of the simulated CPE: CSV with the
// header path,writable,value,type[,rule]. An object has a path that ends in a dot and
// the type object; writable means rows can be added to it if it is a table, and that
// it can be deleted if it is a row. A path with {i} describes the rows that are made
// later. Values may hold {serial}, {oui}, {pc}, {mac}, {mac+N} and {ip}. What only the
// CWMP variant of Device:2 has is left out. An error names the line.
func LoadModel(r io.Reader, serial string) (*Model, error) {
	hide, err := hidden()
	if err != nil {
		return nil, err
	}
	m := &Model{tree: newTree(), serial: serial}
	l := &loader{m: m, hide: hide, raw: make(map[string]bool)}
	in := csv.NewReader(io.LimitReader(r, maxModelBytes))
	in.FieldsPerRecord = -1
	if _, err := in.Read(); err != nil {
		return nil, fmt.Errorf("agent: model: %w", err)
	}
	for n := 0; ; n++ {
		rec, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("agent: model: %w", err)
		}
		line, _ := in.FieldPos(0)
		if n >= maxModelRows {
			return nil, fmt.Errorf("agent: model: more than %d rows", maxModelRows)
		}
		if err := l.add(rec); err != nil {
			return nil, fmt.Errorf("agent: model: line %d: %w", line, err)
		}
	}
	m.schema.object("Device.")
	if err := m.define(l.raw); err != nil {
		return nil, err
	}
	l.expand()
	m.name()
	return m, nil
}

// loader takes the lines of a file.
type loader struct {
	m    *Model
	hide map[string]bool
	raw  map[string]bool // all that is named, in generic form
}

func (l *loader) add(rec []string) error {
	if len(rec) < 4 {
		return errors.New("want path,writable,value,type")
	}
	writable, err := strconv.ParseBool(rec[1])
	if rec[1] != "" && err != nil {
		return fmt.Errorf("writable is %q", rec[1])
	}
	isObject := strings.HasSuffix(rec[0], ".")
	if isObject != (rec[3] == "object") || !strings.HasPrefix(rec[0], "Device.") {
		return fmt.Errorf("%s is neither an object nor a parameter of Device", rec[0])
	}
	generic := path.Generic(rec[0])
	l.raw[generic] = true
	if l.hidden(generic) {
		return nil
	}
	if isObject {
		l.object(rec[0], generic, writable)
		return nil
	}
	return l.param(rec, generic, writable)
}

// hidden reports whether a path, or what it is in, is hidden.
func (l *loader) hidden(generic string) bool {
	for i := range generic {
		if generic[i] == '.' && l.hide[generic[:i+1]] {
			return true
		}
	}
	return l.hide[generic]
}

// object takes the line of an object, a table or a row.
func (l *loader) object(p, generic string, writable bool) {
	if table, isRow := strings.CutSuffix(generic, "{i}."); isRow {
		o := l.m.schema.object(generic)
		o.del = o.del || writable
		if at, number := splitRow(p); number > 0 && path.Generic(at) == table {
			l.m.noteRow(at, number)
		}
		return
	}
	if writable { // only a table takes rows
		l.m.schema.object(generic + "{i}.").add = true
	}
}

// param takes the line of a parameter.
func (l *loader) param(rec []string, generic string, writable bool) error {
	t, ok := path.ParseType(rec[3][strings.LastIndexByte(rec[3], ':')+1:])
	if !ok {
		return fmt.Errorf("%s: type %q is none", rec[0], rec[3])
	}
	in, name := split(generic)
	c := &column{name: name, typ: t, def: blank(t)}
	if writable {
		c.access = readWrite
	}
	if name == "Alias" {
		c.access = writeOnce // USP has it so
	}
	if len(rec) > 4 {
		var err error
		if c.rule, err = parseRule(rec[4]); err != nil {
			return fmt.Errorf("%s: %w", rec[0], err)
		}
	}
	have := l.m.schema.object(in).put(c)
	if strings.Contains(rec[0], "{i}") {
		*have = *c
		have.def = rec[2]
		return nil
	}
	l.m.values[rec[0]] = rec[2]
	return nil
}

// expand fills the placeholders in.
func (l *loader) expand() {
	oui, pc := l.m.values[deviceInfo+"ManufacturerOUI"], l.m.values[deviceInfo+"ProductClass"]
	fixed := strings.NewReplacer("{serial}", l.m.serial, "{oui}", oui, "{pc}", pc, "{ip}", "192.0.2.1", "{mac}", mac(0))
	for p, v := range l.m.values {
		if strings.Contains(v, "{") {
			v = fixed.Replace(v)
			if before, rest, ok := strings.Cut(v, "{mac+"); ok {
				n, after, _ := strings.Cut(rest, "}")
				i, _ := strconv.Atoi(n) // 0 is as good
				v = before + mac(i) + after
			}
			l.m.values[p] = v
		}
	}
}

// mac is the i-th address of the device.
func mac(i int) string { return fmt.Sprintf("02:00:5E:00:00:%02X", i&0xff) }

// name gives every row a unique key: an Alias, where its table has none [R-KEY.1].
func (m *Model) name() {
	for _, o := range m.schema.sorted() {
		if !o.multi {
			continue
		}
		o.keys = slices.DeleteFunc(o.keys, func(k []string) bool {
			return slices.ContainsFunc(k, func(name string) bool { return o.column(name) == nil })
		})
		if o.column("Alias") != nil {
			if !slices.ContainsFunc(o.keys, func(k []string) bool { return len(k) == 1 && k[0] == "Alias" }) {
				o.keys = append(o.keys, []string{"Alias"})
			}
		} else if len(o.keys) == 0 {
			o.put(&column{name: "Alias", access: writeOnce})
			o.keys = [][]string{{"Alias"}}
		}
	}
	for table, rows := range m.rows {
		o := m.schema.objects[path.Generic(table)+"{i}."]
		for _, n := range rows {
			row := rowPath(table, n)
			if c := o.column("Alias"); c != nil && m.values[row+"Alias"] == "" {
				m.values[row+"Alias"] = "cpe-" + strconv.FormatUint(uint64(n), 10)
			}
		}
	}
}
