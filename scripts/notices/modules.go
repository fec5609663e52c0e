// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// maxText bounds a licence file; the longest in use has some 35 kB.
const maxText = 1 << 18

// module is one module that is linked in.
type module struct {
	Path    string
	Version string // empty for the standard library: it is that of the toolchain
	Licence string // SPDX identifiers
	Texts   []text // its licence and notice files, sorted by name
}

// text is one file of a module.
type text struct {
	Name string
	Body string
}

// listed is what this program reads of the output of go list -json.
type listed struct {
	Module *struct {
		Path, Version, Dir string
		Main               bool
		Replace            *struct{ Path, Version, Dir string }
	}
}

// linked returns the modules of the packages that pkg depends on, built for
// Linux, sorted by path, with the standard library first.
func linked(ctx context.Context, pkg string) ([]module, error) {
	goroot, err := command(ctx, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	list, err := command(ctx, "list", "-deps", "-json=Module", pkg)
	if err != nil {
		return nil, err
	}
	dirs := map[string]string{}
	found := map[string]module{}
	for dec := json.NewDecoder(bytes.NewReader(list)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		m := p.Module
		if m == nil || m.Main {
			continue
		}
		dirs[m.Path], found[m.Path] = m.Dir, module{Path: m.Path, Version: m.Version}
		if r := m.Replace; r != nil {
			dirs[m.Path], found[m.Path] = r.Dir, module{Path: m.Path, Version: r.Version}
		}
	}
	out := []module{{Path: "Go standard library"}}
	if err := out[0].read(strings.TrimSpace(string(goroot))); err != nil {
		return nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(found)) {
		m := found[path]
		if err := m.read(dirs[path]); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// command runs the go command for the platform that is released.
func command(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	var failure bytes.Buffer
	cmd.Stderr = &failure
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w: %s", args[0], err, bytes.TrimSpace(failure.Bytes()))
	}
	return out, nil
}

// read takes the licence and notice files from dir.
func (m *module) read(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("%s: %w", m.Path, err)
	}
	var names []string
	for _, e := range entries {
		if !e.Type().IsRegular() || !isNotice(e.Name()) {
			continue
		}
		body, err := readText(filepath.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("%s: %w", m.Path, err)
		}
		m.Texts = append(m.Texts, text{e.Name(), body})
		if name := identify(body); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("%s: no licence that this program knows: look at it and teach identify", m.Path)
	}
	slices.Sort(names)
	m.Licence = strings.Join(names, " AND ")
	return nil
}

// isNotice reports whether a file of a module has to go with the binary.
func isNotice(name string) bool {
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch base {
	case "LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT", "PATENTS":
		return !strings.HasSuffix(name, ".go")
	default:
		return strings.HasPrefix(base, "LICENSE-")
	}
}

// readText reads a text with one form of line ends and no trailing space.
func readText(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	body, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return "", err
	}
	if len(body) > maxText {
		return "", fmt.Errorf("%s is larger than %d bytes", filepath.Base(name), maxText)
	}
	lines := strings.Split(strings.ReplaceAll(string(body), "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t\f")
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n"), nil
}
