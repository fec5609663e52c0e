// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
)

// override writes rule files into a new directory.
func override(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const vendorRules = `
root: InternetGatewayDevice
objects:
  Device.Optical.:
    params: {InterfaceNumberOfEntries: unsignedInt}
  Device.Optical.Interface.{i}.:
    params: {Alias: string wo, OpticalSignalLevel: int}
maps:
  - to: Device.Optical.
    params: {}
  - to: Device.Optical.Interface.{i}.
    from: WANDevice.{i}.X_ACME_PON.
    params:
      OpticalSignalLevel: {from: RXPower, scale: 1000}
`

// TestOverrideAddsAVendor shows what a new vendor data model is: one file.
func TestOverrideAddsAVendor(t *testing.T) {
	t.Parallel()
	r, err := model.Load(override(t, map[string]string{"acme.yaml": vendorRules, "notes.txt": "not a rule file"}))
	if err != nil {
		t.Fatal(err)
	}
	v := model.NewView(r, model.TR098, nil)
	v.Observe([]cwmp.ParameterValue{{
		Name: "InternetGatewayDevice.WANDevice.1.X_ACME_PON.RXPower", Value: "-3.409399", Type: cwmp.TypeString,
	}})
	got, ok := v.Param("Device.Optical.Interface.1.OpticalSignalLevel")
	if !ok || got.Value != "-3409" {
		t.Errorf("got %+v %t, want -3409", got, ok)
	}
}

// TestREADME checks that the example of the README is a rule file.
func TestREADME(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("no example")
	}
	if _, err := model.CompileOne("README.md", example); err != nil {
		t.Error(err)
	}
}

// TestOverrideReplacesAFile checks that a file of the same name takes the place
// of the embedded one.
func TestOverrideReplacesAFile(t *testing.T) {
	t.Parallel()
	r, err := model.Load(override(t, map[string]string{"time.yaml": "root: InternetGatewayDevice\n"}))
	if err != nil {
		t.Fatal(err)
	}
	v := model.NewView(r, model.TR098, nil)
	v.Observe([]cwmp.ParameterValue{{Name: "InternetGatewayDevice.Time.NTPServer1", Value: "a.example"}})
	if p, ok := v.Param("Device.Time.NTPServer1"); ok {
		t.Errorf("got %+v, want none: the rules for Time are gone", p)
	}
	if _, ok := v.Param(model.Passthrough + "Time.NTPServer1"); !ok {
		t.Error("got none, want it shown as it is")
	}
}

func TestLoadErrorsSayWhere(t *testing.T) {
	t.Parallel()
	const obj = "objects:\n  Device.A.{i}.:\n    params: {P: string rw}\n"
	const row = obj + "maps:\n  - to: Device.A.{i}.\n    from: B.{i}.\n    " // line 7 begins
	for _, tc := range []struct{ name, text, want string }{
		{"not YAML", "maps: [", "x.yaml"},
		{"not a mapping", "- a\n", "x.yaml:1:1: "},
		{"unknown key", "maps: []\nmapz: []\n", "x.yaml:2:1: rule file is not valid: unknown key \"mapz\""},
		{"key twice", "root: Device\nroot: Device\n", "x.yaml"},
		{"unknown root", "root: Internet\n", "x.yaml:1:7: "},
		{"two documents", "root: Device\n---\nroot: Device\n", "one document per file"},
		{"object path", "objects:\n  Device.A: {}\n", "x.yaml:2:3: "},
		{"instance in an object path", "objects:\n  Device.A.1.:\n    params: {}\n", "segment \"1\""},
		{"unknown type", "objects:\n  Device.A.:\n    params: {P: text}\n", "x.yaml:3:17: rule file is not valid: "},
		{"unknown access", "objects:\n  Device.A.:\n    params: {P: string wr}\n", "want type, list, ro, rw,"},
		{"table access", "objects:\n  Device.A.:\n    access: add\n", "is not a table"},
		{"no such target", "maps:\n  - to: Device.A.\n", "\"Device.A.\" is not a declared object"},
		{"undeclared parameter", row + "same: [Q]\n", "x.yaml:7:12: rule file is not valid: Device.A.{i}.Q"},
		{"unknown conversion", row + "params: {P: {from: X, conv: rot13}}\n", "\"rot13\" is not a conversion"},
		{"two kinds", row + "params: {P: {const: a, item: true}}\n", "more than one of"},
		{"nothing to take", row + "params: {P: {enum: {a: b}}}\n", "no from"},
		{"bad pattern", row + "params: {P: {from: X, when: {Y: {like: \"(\"}}}}\n", "missing closing"},
		{"bad source", obj + "maps:\n  - to: Device.A.{i}.\n    from: B.{j}.\n", "segment \"{j}\""},
		{"bad reference", row + "params: {P: {ref: Device.B.}}\n", "\"Device.B.\" is not a declared object"},
		{"row of a row", "objects:\n  Device.A.{i}.B.: {}\nmaps:\n  - to: Device.A.{i}.B.\n", "map it as a sub"},
		{"bad number", row + "number: many\n", "number is map, source or"},
		{"write alone", row + "params: {P: {from: X, write: {a: b}}}\n", "write is for enum only"},
		{"too deep", "maps: " + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "\n", "nested deeper"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := model.Load(override(t, map[string]string{"x.yaml": tc.text}))
			if !errors.Is(err, model.ErrRules) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want ErrRules with %q", err, tc.want)
			}
		})
	}
}

func TestLoadBounds(t *testing.T) {
	t.Parallel()
	if _, err := model.Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that there is no such directory", err)
	}
	big := "# " + strings.Repeat("x", 1<<20) + "\n"
	if _, err := model.Load(override(t, map[string]string{"big.yaml": big})); err == nil ||
		!strings.Contains(err.Error(), "larger than") {
		t.Errorf("got %v, want that the file is too large", err)
	}
}
