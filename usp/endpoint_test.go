// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package usp_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/uspgate/uspgate/usp"
)

// The table of authority schemes of [R-ARC.2a].
func TestParseEndpointID(t *testing.T) {
	t.Parallel()
	fifty := strings.Repeat("x", usp.MaxInstanceID)
	for _, s := range []string{
		"oui:ACDE48:my-id-42", "oui:acde48:x", "oui:ACDE481:x", "oui:ACDE48123:x", // MA-L, MA-M, MA-S
		"cid:3AA3F8:my-id-42",
		"pen:32473:my-id-42",
		"self::my-Agent", "self:A-_.~1:x",
		"user::x", "user:abcdef:x",
		"os::ACDE48-0123456789",
		"ops::ACDE48-STB-0123456789", "ops::ACDE48-Home%20Box-%C3%A4",
		"uuid::f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
		"imei::990000862471854",
		"proto::my-Agent", "proto:abc:x",
		"doc::agent",
		"fqdn::www.example.org",
		"os::" + fifty, "os::" + strings.Repeat("%20", 16) + "xx",
	} {
		if id, err := usp.ParseEndpointID(s); err != nil || string(id) != s {
			t.Errorf("ParseEndpointID(%s): got %s, %v, want it", s, id, err)
		}
	}
}

func TestParseEndpointIDErrors(t *testing.T) {
	t.Parallel()
	for s, text := range map[string]string{
		"":                               "no colon",
		"agent":                          "no colon",
		"os:x":                           "one colon",
		"x::y":                           `unknown authority-scheme "x"`,
		"OS::y":                          `unknown authority-scheme "OS"`,
		"::y":                            `unknown authority-scheme ""`,
		"oui::x":                         "6, 7 or 9 hex digits",
		"oui:ACDE4:x":                    "6, 7 or 9 hex digits",
		"oui:ACDE4812:x":                 "6, 7 or 9 hex digits",
		"oui:ACDE4G:x":                   "6, 7 or 9 hex digits",
		"cid:3AA3F81:x":                  "6 hex digits",
		"pen::x":                         "decimal number",
		"pen:3A:x":                       "decimal number",
		"self:1234567:x":                 "at most 6 unreserved characters",
		"user:a b:x":                     "at most 6 unreserved characters",
		"proto:a%20:x":                   "at most 6 unreserved characters",
		"proto:a.b:x":                    "no dot",
		"os:ACDE48:1":                    "authority-id of os is empty",
		"ops:x:y":                        "authority-id of ops is empty",
		"uuid:x:y":                       "authority-id of uuid is empty",
		"imei:x:y":                       "authority-id of imei is empty",
		"fqdn:x:y":                       "authority-id of fqdn is empty",
		"os::":                           "the instance-id is empty",
		"os::a b":                        `may not contain ' '`,
		"os::a/b":                        `may not contain '/'`,
		"os::a+b":                        `may not contain '+'`,
		"os::a#b":                        `may not contain '#'`,
		"os::a:b":                        `may not contain ':'`,
		"os::a~b":                        `may not contain '~'`,
		"os::100%":                       `may not contain '%'`,
		"os::%2":                         `may not contain '%'`,
		"os::%2g":                        `may not contain '%'`,
		"os::\xc3\xa4":                   "may not contain",
		"os::" + strings.Repeat("x", 51): "has 51 characters, at most 50",
	} {
		id, err := usp.ParseEndpointID(s)
		if !errors.Is(err, usp.ErrEndpointID) || !strings.Contains(err.Error(), text) {
			t.Errorf("ParseEndpointID(%q): got %s, %v, want an error with %q", s, id, err, text)
		}
	}
}

func TestEscapeInstance(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":           "",
		"A-b_9.":     "A-b_9.",
		"Home Box":   "Home%20Box",
		"100%":       "100%25",
		"a/b+c#d:e~": "a%2Fb%2Bc%23d%3Ae%7E",
		"ä":          "%C3%A4",
		"\x00\xff":   "%00%FF",
	} {
		if got := usp.EscapeInstance(in); got != want {
			t.Errorf("EscapeInstance(%q): got %s, want %s", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringN(1, -1, 16).Draw(t, "s")
		if _, err := usp.ParseEndpointID("os::" + usp.EscapeInstance(s)); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzParseEndpointID(f *testing.F) {
	for _, s := range []string{"os::ACDE48-1", "oui:ACDE48:x", "ops::a-b%20-c", "self:a~:b", "::", "a:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := usp.ParseEndpointID(s)
		if err != nil {
			return
		}
		if string(id) != s || strings.Count(s, ":") != 2 || strings.ContainsAny(s, " /+#\x00") {
			t.Fatalf("got %q from %q", id, s)
		}
	})
}

func TestRole(t *testing.T) {
	t.Parallel()
	for _, r := range []usp.Role{usp.RoleUnknown, usp.RoleAgent, usp.RoleController} {
		if got, err := usp.ParseRole(r.String()); err != nil || got != r {
			t.Errorf("ParseRole(%s): got %v, %v", r, got, err)
		}
		if got := r.Opposite().Opposite(); got != r {
			t.Errorf("the opposite of the opposite of %v: got %v", r, got)
		}
	}
	if got := usp.RoleAgent.Opposite(); got != usp.RoleController {
		t.Errorf("the opposite of an agent: got %v", got)
	}
	if _, err := usp.ParseRole("Agent"); err == nil {
		t.Error("ParseRole(Agent): got no error")
	}
	a := usp.Address{ID: "doc::a", Role: usp.RoleAgent}
	if got := a.String(); got != "doc::a (agent)" {
		t.Errorf("got %s", got)
	}
}

func TestCodeNames(t *testing.T) {
	t.Parallel()
	for c := usp.CodeMessageFailed; c <= usp.CodePathAlreadyRegistered; c++ {
		if s := c.String(); strings.HasPrefix(s, "Error") {
			t.Errorf("%d has no name", uint32(c))
		}
	}
	for c := usp.CodeRecordNotParsed; c <= usp.CodeSessionContextNotAllowed; c++ {
		if s := c.String(); strings.HasPrefix(s, "Error") {
			t.Errorf("%d has no name", uint32(c))
		}
	}
	for c, want := range map[usp.Code]string{
		7026: "Invalid path", 7106: "Session Context not allowed", 7210: "Data-model error 7210",
		7800: "Outcome unknown", 7900: "Vendor error 7900", 9005: "Error 9005",
	} {
		if got := c.String(); got != want {
			t.Errorf("%d: got %s, want %s", uint32(c), got, want)
		}
	}
	e := &usp.Error{Code: usp.CodeInvalidPath, Path: "Device.X", Text: "not supported"}
	if got, want := e.Error(), "7026 not supported (Device.X)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
