// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path_test

import (
	"slices"
	"testing"

	"github.com/uspgate/uspgate/usp/path"
)

func TestOperands(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"Device.A.B":                          nil,
		"Device.A.*.B":                        nil,
		"Device.A.[X==1].B":                   {"Device.A.*.X"},
		`Device.A.[X=="a.b]"&&Y!=2].`:         {"Device.A.*.X", "Device.A.*.Y"},
		"Device.A.1.B.[X==1].C.[Y.Z>2].Do()":  {"Device.A.1.B.*.X", "Device.A.1.B.*.C.*.Y.Z"},
		"Device.A.1.Ref#2+.B":                 {"Device.A.1.Ref"},
		"Device.A.[X==1].Ref+.C.*.Other#*+.D": {"Device.A.*.X", "Device.A.*.Ref", "Device.A.*.Ref+.C.*.Other"},
		"Device.A.[Ref+.X==1].B":              {"Device.A.*.Ref+.X"},
	} {
		p, err := path.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var got []string
		for _, o := range p.Operands() {
			got = append(got, o.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}
