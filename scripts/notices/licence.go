// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"
)

// marks are phrases by which the licences are told apart: all of a row have to
// be there, and the first row that fits counts.
func marks() []struct {
	name    string
	phrases []string
} {
	return []struct {
		name    string
		phrases []string
	}{
		{"Apache-2.0", []string{"apache license", "version 2.0, january 2004"}},
		{"EPL-2.0 OR BSD-3-Clause", []string{"eclipse public license", "eclipse distribution license"}},
		{"EPL-2.0", []string{"eclipse public license - v 2.0"}},
		{"MPL-2.0", []string{"mozilla public license", "version 2.0"}},
		{"BSD-3-Clause", []string{"redistribution and use in source and binary forms", "neither the name"}},
		{"BSD-2-Clause", []string{"redistribution and use in source and binary forms"}},
		{"ISC", []string{"permission to use, copy, modify, and/or distribute this software for any purpose"}},
		{"MIT", []string{"permission is hereby granted, free of charge, to any person obtaining a copy"}},
	}
}

// identify returns the SPDX identifier of a licence text; empty where it is
// none that is known, a notice file for example.
func identify(body string) string {
	plain := strings.ToLower(strings.Join(strings.Fields(body), " "))
	for _, m := range marks() {
		all := true
		for _, phrase := range m.phrases {
			all = all && strings.Contains(plain, phrase)
		}
		if all {
			return m.name
		}
	}
	return ""
}

// head is the beginning of the output.
const head = `uspgate contains the following works of others. The table lists them with their
licences; the texts follow, each once, with the works that carry it.

`

// write prints the table and the texts, each text once.
func write(w io.Writer, modules []module) error {
	if _, err := io.WriteString(w, head); err != nil {
		return err
	}
	width := 0
	for i := range modules {
		width = max(width, len(modules[i].title()))
	}
	for i := range modules {
		if _, err := fmt.Fprintf(w, "  %-*s  %s\n", width, modules[i].title(), modules[i].Licence); err != nil {
			return err
		}
	}
	order, carriers := texts(modules)
	for _, body := range order {
		if _, err := fmt.Fprintf(w, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 80),
			strings.Join(carriers[body], "\n"), body); err != nil {
			return err
		}
	}
	return nil
}

// title is the path of a module with its version.
func (m *module) title() string { return strings.TrimSpace(m.Path + " " + m.Version) }

// texts returns every text in the order of its first carrier, with the files
// that hold it.
func texts(modules []module) (order []string, carriers map[string][]string) {
	carriers = map[string][]string{}
	for i := range modules {
		for _, t := range modules[i].Texts {
			if _, seen := carriers[t.Body]; !seen {
				order = append(order, t.Body)
			}
			carriers[t.Body] = append(carriers[t.Body], modules[i].title()+": "+t.Name)
		}
	}
	return order, carriers
}
