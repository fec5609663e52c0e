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
	Name string // relative to the module
	Body string
}

// listed is what this program reads of the output of go list -json.
type listed struct {
	Dir    string
	Module *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// linked returns the modules of the packages that pkg depends on, built for
// Linux, sorted by path, with the standard library first.
func linked(ctx context.Context, pkg string) ([]module, error) {
	goroot, err := command(ctx, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	list, err := command(ctx, "list", "-deps", "-json=Dir,Module", pkg)
	if err != nil {
		return nil, err
	}
	out := []module{{Path: "Go standard library"}}
	root := strings.TrimSpace(string(goroot))
	if err := out[0].read(root, []string{root}); err != nil {
		return nil, err
	}
	found, dirs := map[string]module{}, map[string][]string{}
	for dec := json.NewDecoder(bytes.NewReader(list)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if m := p.Module; m != nil && !m.Main {
			found[m.Path] = module{Path: m.Path, Version: m.Version}
			dirs[m.Path] = withParents(dirs[m.Path], p.Dir, m.Dir)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(found)) {
		m := found[path]
		if err := m.read(dirs[path][0], dirs[path]); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// withParents adds dir and the folders above it, up to root, to dirs, whose
// first entry is root: parts of a module may have a licence of their own.
func withParents(dirs []string, dir, root string) []string {
	if len(dirs) == 0 {
		dirs = []string{root}
	}
	for ; len(dir) > len(root) && !slices.Contains(dirs, dir); dir = filepath.Dir(dir) {
		dirs = append(dirs, dir)
	}
	return dirs
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

// read takes the licence and notice files from dirs, which are below root. The
// files that are called LICENSE or COPYING say what the licence is.
func (m *module) read(root string, dirs []string) error {
	slices.Sort(dirs)
	var names []string
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Path, err)
		}
		for _, e := range entries {
			says, goes := isNotice(e.Name())
			if !e.Type().IsRegular() || !goes {
				continue
			}
			t, err := readText(root, filepath.Join(dir, e.Name()))
			if err != nil {
				return fmt.Errorf("%s: %w", m.Path, err)
			}
			m.Texts = append(m.Texts, t)
			if name := identify(t.Body); says && name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("%s: no licence that this program knows: look at it and teach identify", m.Path)
	}
	slices.Sort(names)
	m.Licence = strings.Join(names, " AND ")
	return nil
}

// isNotice reports whether a file of that name says what the licence is, and
// whether it has to go with the binary.
func isNotice(name string) (says, goes bool) {
	base, ext, _ := strings.Cut(strings.ToUpper(name), ".")
	first, _, _ := strings.Cut(base, "-")
	switch {
	case ext != "" && ext != "TXT" && ext != "MD":
		return false, false
	case first == "LICENSE", first == "LICENCE", first == "COPYING":
		return true, true
	default:
		return false, slices.Contains([]string{"NOTICE", "COPYRIGHT", "PATENTS", "EPL", "EDL"}, first)
	}
}

// readText reads a text with one form of line ends and no trailing space.
func readText(root, name string) (text, error) {
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return text{}, err
	}
	f, err := os.Open(name)
	if err != nil {
		return text{}, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	body, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return text{}, err
	}
	if len(body) > maxText {
		return text{}, fmt.Errorf("%s is larger than %d bytes", rel, maxText)
	}
	lines := strings.Split(strings.ReplaceAll(string(body), "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t\f")
	}
	return text{filepath.ToSlash(rel), strings.Trim(strings.Join(lines, "\n"), "\n")}, nil
}
