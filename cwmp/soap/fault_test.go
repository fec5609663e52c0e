// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap_test

import (
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// TestFaultCodes: every code of TR-069 A.5 comes back, alone and with a list of
// parameters, with the SOAP code that goes with it.
func TestFaultCodes(t *testing.T) {
	t.Parallel()
	codes := []int{8800, 8899, 9800, 9899}
	for code := 8000; code <= 8006; code++ {
		codes = append(codes, code)
	}
	for code := 9000; code <= 9032; code++ {
		codes = append(codes, code)
	}
	lists := [][]cwmp.ParameterFault{nil, {{Name: "A.B", Code: 9007, Text: "a < b"}, {Name: "C", Code: 9008}}}
	for _, code := range codes {
		for _, list := range lists {
			want := &cwmp.Fault{Code: code, Text: "Text " + strconv.Itoa(code), Params: list}
			doc, err := soap.Append(nil, &cwmp.Envelope{ID: "1", Body: want})
			if err != nil {
				t.Fatal(err)
			}
			strictly(t, doc, cwmp.Namespace10)
			if got := decode(t, string(doc)).Body; !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if s := "<faultcode>" + cwmp.SOAPCode(code) + "</faultcode>"; !strings.Contains(string(doc), s) {
				t.Errorf("%d: got %s, want %s", code, doc, s)
			}
		}
	}
}
