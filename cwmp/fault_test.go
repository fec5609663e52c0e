// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp_test

import (
	"testing"

	"github.com/uspgate/uspgate/cwmp"
)

// TestSOAPCode is the fault table of TR-069 A.5, as code and SOAP code.
func TestSOAPCode(t *testing.T) {
	t.Parallel()
	client := map[int]bool{
		8003: true, 9003: true, 9005: true, 9006: true, 9007: true, 9008: true, 9022: true, 9023: true,
		9025: true, 9026: true, 9028: true, 9029: true, 9030: true, 9031: true, 9032: true,
	}
	codes := []int{0, 8000, 8001, 8002, 8003, 8004, 8005, 8006, 8800, 9800, 9899}
	for code := 9000; code <= 9032; code++ {
		codes = append(codes, code)
	}
	for _, code := range codes {
		want := "Server"
		if client[code] {
			want = "Client"
		}
		if got := cwmp.SOAPCode(code); got != want {
			t.Errorf("SOAPCode(%d): got %q, want %q", code, got, want)
		}
	}
}

func TestFaultError(t *testing.T) {
	t.Parallel()
	f := &cwmp.Fault{Code: cwmp.FaultInvalidArguments, Text: "Invalid arguments"}
	if got, want := f.Error(), "cwmp fault 9003 Invalid arguments"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	f.Params = []cwmp.ParameterFault{{Name: "A.B", Code: cwmp.FaultNonWritable}, {Name: "A.C", Code: 9007}}
	if got, want := f.Error(), "cwmp fault 9003 Invalid arguments (A.B: 9008)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
