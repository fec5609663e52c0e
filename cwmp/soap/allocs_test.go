// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
	"bytes"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// TestAllocations holds what a parameter may cost: as good as nothing, for
// texts are kept many in one piece of memory.
func TestAllocations(t *testing.T) {
	const n = 1000
	doc := gpvResponse(n)
	plain, err := soap.Append(nil, informOf(n))
	if err != nil {
		t.Fatal(err)
	}
	whole := func(doc []byte) func() error {
		return func() error {
			_, err := soap.DecodeBytes(doc, "text/xml; charset=utf-8", soap.Limits{})
			return err
		}
	}
	lists := soap.Lists{Value: func(cwmp.ParameterValue) error { return nil }}
	for _, tt := range []struct {
		name   string
		decode func() error
		budget float64 // per parameter
	}{
		{"values, a quarter of them with references", whole(doc), 0.05},
		{"Inform without references", whole(plain), 0.05},
		{"values handed out, a quarter of them with references", func() error {
			_, err := soap.DecodeStream(bytes.NewReader(doc), "text/xml; charset=utf-8", soap.Limits{}, lists)
			return err
		}, 0.1},
	} {
		allocs := testing.AllocsPerRun(5, func() {
			if err := tt.decode(); err != nil {
				t.Error(err)
			}
		})
		per := allocs / n
		t.Logf("%s: %.3f allocations per parameter", tt.name, per)
		if per > tt.budget {
			t.Errorf("%s: got %.2f allocations per parameter, want at most %.2f", tt.name, per, tt.budget)
		}
	}
}

// TestAppendAllocatesNothing: an answer is written into the memory of the one
// before.
func TestAppendAllocatesNothing(t *testing.T) {
	env := informOf(8)
	buf, err := soap.Append(nil, env)
	if err != nil {
		t.Fatal(err)
	}
	allocs := testing.AllocsPerRun(50, func() {
		if buf, err = soap.Append(buf[:0], env); err != nil {
			t.Error(err)
		}
	})
	if allocs > 0 {
		t.Errorf("got %.0f allocations, want none", allocs)
	}
}
