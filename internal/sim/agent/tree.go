// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

const subscriptions = "Device.LocalAgent.Subscription."

// tree is the data model; it implements path.Tree.
type tree struct {
	params    map[string]*Param
	rows      map[string][]uint32  // table → instances, ascending
	objects   map[string]bool      // generic path → is a table
	supported map[string]supported // generic path
	last      map[string]uint32    // table → last instance number given
}

type supported struct {
	typ      path.Type
	writable bool
}

// subscriptionParams are the parameters of a Subscription and their defaults.
func subscriptionParams() []Param {
	return []Param{
		{Path: "Alias", Writable: true},
		{Path: "Enable", Value: "false", Writable: true, Type: path.TypeBoolean},
		{Path: "ID", Writable: true},
		{Path: "NotifType", Writable: true},
		{Path: "NotifRetry", Value: "false", Writable: true, Type: path.TypeBoolean},
		{Path: "Persistent", Value: "false", Writable: true, Type: path.TypeBoolean},
		{Path: "Recipient"},
		{Path: "ReferenceList", Writable: true, Type: path.TypeString | path.List},
	}
}

func localAgent(id usp.EndpointID) []Param {
	return []Param{
		{Path: "Device.LocalAgent.EndpointID", Value: string(id)},
		{Path: "Device.LocalAgent.SupportedProtocols", Value: usp.Version},
	}
}

// defaultModel is an access point with one radio and two SSIDs.
func defaultModel() []Param {
	return []Param{
		{Path: "Device.DeviceInfo.Manufacturer", Value: "uspgate"},
		{Path: "Device.DeviceInfo.ManufacturerOUI", Value: "ACDE48"},
		{Path: "Device.DeviceInfo.ProductClass", Value: "SimAP"},
		{Path: "Device.DeviceInfo.SerialNumber", Value: "1"},
		{Path: "Device.DeviceInfo.SoftwareVersion", Value: "1.0"},
		{Path: "Device.DeviceInfo.ProvisioningCode", Writable: true},
		{Path: "Device.DeviceInfo.UpTime", Value: "60", Type: path.TypeUnsignedInt},
		{Path: "Device.WiFi.Radio.1.Alias", Value: "cpe-radio-1", Writable: true},
		{Path: "Device.WiFi.Radio.1.Enable", Value: "true", Writable: true, Type: path.TypeBoolean},
		{Path: "Device.WiFi.Radio.1.Channel", Value: "36", Writable: true, Type: path.TypeUnsignedInt},
		{Path: "Device.WiFi.SSID.1.Alias", Value: "cpe-ssid-1", Writable: true},
		{Path: "Device.WiFi.SSID.1.Enable", Value: "true", Writable: true, Type: path.TypeBoolean},
		{Path: "Device.WiFi.SSID.1.SSID", Value: "home", Writable: true},
		{Path: "Device.WiFi.SSID.1.LowerLayers", Value: "Device.WiFi.Radio.1", Type: path.TypeString | path.List},
		{Path: "Device.WiFi.SSID.2.Alias", Value: "cpe-ssid-2", Writable: true},
		{Path: "Device.WiFi.SSID.2.Enable", Value: "false", Writable: true, Type: path.TypeBoolean},
		{Path: "Device.WiFi.SSID.2.SSID", Value: "guest", Writable: true},
		{Path: "Device.WiFi.SSID.2.LowerLayers", Value: "Device.WiFi.Radio.1", Type: path.TypeString | path.List},
	}
}

// ReadCSV reads a tree: path, writable, value and type in that order, the
// first row being a header. Types are those of path.ParseType, also with xsd:
// in front; rows of type object are skipped, further columns ignored.
func ReadCSV(r io.Reader) ([]Param, error) {
	rows := csv.NewReader(r)
	rows.FieldsPerRecord = -1
	if _, err := rows.Read(); err != nil {
		return nil, fmt.Errorf("agent: model: %w", err)
	}
	var out []Param
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("agent: model: %w", err)
		}
		line, _ := rows.FieldPos(0)
		if len(row) < 4 {
			return nil, fmt.Errorf("agent: model: line %d: want path,writable,value,type", line)
		}
		name := strings.TrimPrefix(row[3], "xsd:")
		if name == "object" {
			continue
		}
		t, ok := path.ParseType(name)
		writable, werr := strconv.ParseBool(row[1])
		if !ok || werr != nil {
			return nil, fmt.Errorf("agent: model: line %d: bad type %q or writable %q", line, row[3], row[1])
		}
		out = append(out, Param{Path: row[0], Value: row[2], Writable: writable, Type: t})
	}
}

func newTree(params []Param) (*tree, error) {
	t := &tree{
		params: make(map[string]*Param), rows: make(map[string][]uint32), objects: make(map[string]bool),
		supported: make(map[string]supported), last: make(map[string]uint32),
	}
	for _, p := range params {
		parsed, err := path.Parse(p.Path)
		if err != nil {
			return nil, fmt.Errorf("agent: model: %w", err)
		}
		if parsed.Kind() != path.Parameter || parsed.IsSearch() {
			return nil, fmt.Errorf("agent: model: %s is not a parameter", p.Path)
		}
		t.addObject(parsed.Object())
		t.addParam(p)
	}
	t.objects[subscriptions+"{i}."] = true
	for _, p := range subscriptionParams() {
		t.supported[subscriptions+"{i}."+p.Path] = supported{p.Type, p.Writable}
	}
	return t, nil
}

func (t *tree) addParam(p Param) {
	t.params[p.Path] = &p
	t.supported[path.Generic(p.Path)] = supported{p.Type, p.Writable}
}

// addObject notes an instantiated object and all that it is in.
func (t *tree) addObject(object string) {
	for i := range len(object) {
		if object[i] != '.' {
			continue
		}
		prefix := object[:i+1]
		table := object[:strings.LastIndexByte(object[:i], '.')+1]
		n, err := strconv.ParseUint(object[len(table):i], 10, 32)
		t.objects[path.Generic(prefix)] = err == nil
		if err != nil {
			continue
		}
		delete(t.objects, path.Generic(table)) // a table is known by its rows
		row := uint32(n)
		if at, found := slices.BinarySearch(t.rows[table], row); !found {
			t.rows[table] = slices.Insert(t.rows[table], at, row)
		}
		t.last[table] = max(t.last[table], row)
	}
}

// SupportedObject implements path.Tree.
func (t *tree) SupportedObject(generic string) (multi, ok bool) {
	multi, ok = t.objects[generic]
	return multi, ok
}

// SupportedParam implements path.Tree.
func (t *tree) SupportedParam(generic string) (path.Type, bool) {
	s, ok := t.supported[generic]
	return s.typ, ok
}

// Instances implements path.Tree.
func (t *tree) Instances(table string) []uint32 { return t.rows[table] }

// Value implements path.Tree.
func (t *tree) Value(param string) (string, bool) {
	p, ok := t.params[param]
	if !ok {
		return "", false
	}
	return p.Value, true
}

// resolve parses and resolves one path.
func (t *tree) resolve(s string) (p path.Path, found []string, err error) {
	if p, err = path.Parse(s); err == nil {
		found, err = path.Resolve(p, t, 0)
	}
	return p, found, err
}

// below returns the parameters below an object, in data-model order.
func (t *tree) below(object string) []*Param {
	var out []*Param
	for name, p := range t.params {
		if strings.HasPrefix(name, object) {
			out = append(out, p)
		}
	}
	sort.Slice(out, func(i, j int) bool { return path.Less(out[i].Path, out[j].Path) })
	return out
}

// keys returns the unique keys of a row.
func (t *tree) keys(row string) map[string]string {
	out := make(map[string]string)
	for _, name := range []string{"Alias", "ID", "Recipient", "EndpointID"} {
		if v, ok := t.Value(row + name); ok {
			out[name] = v
		}
	}
	return out
}

// removeRow deletes a row and all that is in it.
func (t *tree) removeRow(row string) {
	for name := range t.params {
		if strings.HasPrefix(name, row) {
			delete(t.params, name)
		}
	}
	for table := range t.rows {
		if strings.HasPrefix(table, row) {
			delete(t.rows, table)
		}
	}
	table, number := splitRow(row)
	t.rows[table] = slices.DeleteFunc(slices.Clone(t.rows[table]), func(n uint32) bool { return n == number })
}

// splitRow takes the path of a row apart.
func splitRow(row string) (table string, number uint32) {
	row = strings.TrimSuffix(row, ".")
	table = row[:strings.LastIndexByte(row, '.')+1]
	n, err := strconv.ParseUint(row[len(table):], 10, 32)
	if err != nil {
		return table, 0
	}
	return table, uint32(n)
}
