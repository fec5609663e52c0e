// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp_test

import (
	"testing"

	"github.com/uspgate/uspgate/cwmp"
)

func TestNegotiate(t *testing.T) {
	t.Parallel()
	const false13, false14 = "urn:dslforum-org:cwmp-1-3", "urn:dslforum-org:cwmp-1-4"
	for _, tt := range []struct {
		found, supported   string
		version, namespace string
		ok                 bool
	}{
		{cwmp.Namespace10, "", "", cwmp.Namespace10, true},
		{cwmp.Namespace12, " ", "", cwmp.Namespace12, true},
		{false14, "", "", false14, true},
		{"", "", "", "", true},
		{cwmp.Namespace12, "1.0,1.1,1.2,1.3,1.4", "1.4", cwmp.Namespace12, true},
		{cwmp.Namespace12, "1.4, 1.2 ,1.0", "1.4", cwmp.Namespace12, true},
		{cwmp.Namespace12, "1.0,1.1", "1.1", cwmp.Namespace11, true},
		{cwmp.Namespace12, "1.0", "1.0", cwmp.Namespace10, true},
		{cwmp.Namespace10, "1.0,1.3", "1.3", cwmp.Namespace12, true},
		{"", "1.2", "1.2", cwmp.Namespace12, true},
		{false13, "1.3,1.4", "1.4", false13, true},
		{false14, "1.0", "1.0", cwmp.Namespace10, true},
		{cwmp.Namespace12, "1.5,2.0,1.4", "1.4", cwmp.Namespace12, true},
		{cwmp.Namespace12, "1.5,2.0", "", cwmp.Namespace12, false},
		{cwmp.Namespace12, "1.,1,x,1.44,,", "", cwmp.Namespace12, false},
	} {
		version, namespace, ok := cwmp.Negotiate(tt.found, tt.supported)
		if version != tt.version || namespace != tt.namespace || ok != tt.ok {
			t.Errorf("%q, %q: got %q, %q, %v; want %q, %q, %v", tt.found, tt.supported,
				version, namespace, ok, tt.version, tt.namespace, tt.ok)
		}
	}
}
