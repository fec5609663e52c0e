// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNoticesAreCurrent(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile(filepath.Join("..", "..", "NOTICES"))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := run(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	if got.String() == string(want) {
		return
	}
	for line := range strings.Lines(got.String()) {
		if !bytes.Contains(want, []byte(line)) {
			t.Errorf("NOTICES is not current, it lacks for example %q; run make notices", line)
			return
		}
	}
	t.Error("NOTICES has more than is linked in; run make notices")
}

func TestNoPathOfTheMachine(t *testing.T) {
	t.Parallel()
	modules, err := linked(t.Context(), "github.com/uspgate/uspgate/cmd/uspgate")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		for _, text := range m.Texts {
			if filepath.IsAbs(text.Name) || strings.HasPrefix(text.Name, "..") {
				t.Errorf("%s: got file %s, want a path inside the module", m.Path, text.Name)
			}
		}
	}
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Apache License\n  Version 2.0, January 2004":                                       "Apache-2.0",
		"Permission is hereby granted, free of charge,\nto any person obtaining a copy":     "MIT",
		"Redistribution and use in source and\nbinary forms … Neither the name of":          "BSD-3-Clause",
		"Redistribution and use in source and binary forms":                                 "BSD-2-Clause",
		"the Eclipse Public License v2.0 and\nEclipse Distribution License v1.0":            "EPL-2.0 OR BSD-3-Clause",
		"Eclipse Public License - v 2.0":                                                    "EPL-2.0",
		"Mozilla Public License\nVersion 2.0":                                               "MPL-2.0",
		"Permission to use, copy, modify, and/or distribute\nthis software for any purpose": "ISC",
		"This product includes software developed by others.":                               "",
		"You may use this on Sundays only.":                                                 "",
	} {
		if got := identify(text); got != want {
			t.Errorf("%.40q: got %q, want %q", text, got, want)
		}
	}
}

func TestIsNotice(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]bool{
		"LICENSE": {true, true}, "LICENSE.md": {true, true}, "LICENSE-MIT.txt": {true, true}, "COPYING": {true, true},
		"NOTICE": {false, true}, "edl-v10": {false, true}, "PATENTS": {false, true},
		"license.go": {false, false}, "README.md": {false, false}, "go.mod": {false, false},
	} {
		says, goes := isNotice(name)
		if got := [2]bool{says, goes}; got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}
