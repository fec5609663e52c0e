// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtp_test

import (
	"crypto/x509"
	"net/url"
	"slices"
	"testing"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

func TestIdentityAllows_R_SEC_12(t *testing.T) {
	t.Parallel()
	vectors := []struct {
		ids  []usp.EndpointID
		any  bool
		id   usp.EndpointID
		want bool
	}{
		{nil, false, "os::00D09E-1", true},
		{[]usp.EndpointID{"os::00D09E-1"}, false, "os::00D09E-1", true},
		{[]usp.EndpointID{"os::00D09E-1"}, false, "os::00D09E-2", false},
		{[]usp.EndpointID{"os::00D09E-1"}, true, "os::00D09E-2", true},
		{[]usp.EndpointID{"os::00D09E-1", "os::00D09E-2"}, false, "os::00D09E-2", true},
		{[]usp.EndpointID{"os::00D09E-*"}, false, "os::00D09E-2", true},
		{[]usp.EndpointID{"ops::00D09E-*"}, false, "ops::00D09E-DSL-2", true},
		{[]usp.EndpointID{"oui:00D09E:*"}, false, "oui:00D09E:x", true},
		{[]usp.EndpointID{"pen:3561:*"}, false, "pen:3561:x", true},
		{[]usp.EndpointID{"oui:00D09E:*"}, false, "oui:00D09E:", false},
		{[]usp.EndpointID{"oui:00D09E:*"}, false, "oui:00D09F:x", false},
		{[]usp.EndpointID{"os::00D09E*"}, false, "os::00D09E-2", false}, // the assigner itself
		{[]usp.EndpointID{"os::*"}, false, "os::00D09E-2", false},
		{[]usp.EndpointID{"oui:*"}, false, "oui:00D09E:x", false},
		{[]usp.EndpointID{"self::*"}, false, "self::controller", false},
		{[]usp.EndpointID{"uuid::*"}, false, "uuid::x", false},
		{[]usp.EndpointID{"*"}, false, "os::00D09E-2", false},
	}
	for _, v := range vectors {
		if got := (mtp.Identity{IDs: v.ids, Any: v.any}).Allows(v.id); got != v.want {
			t.Errorf("%v (any %v) allows %s: got %v, want %v", v.ids, v.any, v.id, got, v.want)
		}
	}
}

func TestIdentityOne(t *testing.T) {
	t.Parallel()
	vectors := []struct {
		identity mtp.Identity
		want     usp.EndpointID
	}{
		{mtp.Identity{IDs: []usp.EndpointID{"os::00D09E-1"}}, "os::00D09E-1"},
		{mtp.Identity{IDs: []usp.EndpointID{"os::00D09E-*"}}, ""},
		{mtp.Identity{IDs: []usp.EndpointID{"os::00D09E-1", "os::00D09E-2"}}, ""},
		{mtp.Identity{IDs: []usp.EndpointID{"os::00D09E-1"}, Any: true}, ""},
		{mtp.Identity{}, ""},
	}
	for _, v := range vectors {
		if got := v.identity.One(); got != v.want {
			t.Errorf("One of %+v: got %q, want %q", v.identity, got, v.want)
		}
	}
}

func TestCertificateIDs_R_SEC_0a(t *testing.T) {
	t.Parallel()
	vectors := []struct {
		name string
		uris []string
		dns  []string
		want []usp.EndpointID
	}{
		{"URI", []string{"urn:bbf:usp:id:os::00D09E-1"}, []string{"host.example"}, []usp.EndpointID{"os::00D09E-1"}},
		{"opaque percent", []string{"urn:bbf:usp:id:os::00D09E-a%2Fb"}, nil, []usp.EndpointID{"os::00D09E-a%2Fb"}},
		{"case of the URN", []string{"URN:BBF:USP:ID:os::00D09E-1"}, nil, []usp.EndpointID{"os::00D09E-1"}},
		{
			"two",
			[]string{"urn:bbf:usp:id:oui:00D09E:*", "urn:bbf:usp:id:os::00D09E-1"},
			nil,
			[]usp.EndpointID{"oui:00D09E:*", "os::00D09E-1"},
		},
		{"another URN", []string{"urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"}, nil, nil},
		{"empty", []string{"urn:bbf:usp:id:"}, nil, nil},
		{"DNS name", []string{"https://host.example/"}, []string{"host.example"}, []usp.EndpointID{"fqdn::host.example"}},
		{"nothing", nil, nil, nil},
	}
	for _, v := range vectors {
		cert := &x509.Certificate{DNSNames: v.dns}
		for _, s := range v.uris {
			u, err := url.Parse(s)
			if err != nil {
				t.Fatalf("%s: %v", v.name, err)
			}
			cert.URIs = append(cert.URIs, u)
		}
		if got := mtp.CertificateIDs(cert); !slices.Equal(got, v.want) {
			t.Errorf("%s: got %q, want %q", v.name, got, v.want)
		}
	}
}
