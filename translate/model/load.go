// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed rules/*.yaml
var embedded embed.FS

// Bounds of what Load reads from an override directory.
const (
	maxRuleFile  = 1 << 20 // bytes of one file
	maxRuleFiles = 256
)

// Load compiles the embedded rule files, with those of overrideDir put in their
// place by file name or added to them; an empty overrideDir means none. Files
// are read in the order of their names. An error names file, line and column,
// and wraps ErrRules unless the directory could not be read.
func Load(overrideDir string) (*Rules, error) {
	files, err := embeddedFiles()
	if err != nil {
		return nil, err
	}
	if overrideDir != "" {
		if err := overrideFiles(overrideDir, files); err != nil {
			return nil, err
		}
	}
	return compile(files)
}

func embeddedFiles() (map[string][]byte, error) {
	entries, err := embedded.ReadDir("rules")
	if err != nil {
		return nil, fmt.Errorf("model: embedded rules: %w", err)
	}
	files := make(map[string][]byte, len(entries))
	for _, e := range entries {
		text, err := embedded.ReadFile("rules/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("model: embedded rules: %w", err)
		}
		files[e.Name()] = text
	}
	return files, nil
}

// overrideFiles adds the *.yaml files of dir to files.
func overrideFiles(dir string, files map[string][]byte) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("model: rules: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".yaml") {
			continue
		}
		text, err := readBounded(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		if files[e.Name()] = text; len(files) > maxRuleFiles {
			return fmt.Errorf("model: rules: more than %d files", maxRuleFiles)
		}
	}
	return nil
}

func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("model: rules: %w", err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxRuleFile+1))
	if err != nil {
		return nil, fmt.Errorf("model: rules: %w", err)
	}
	if len(text) > maxRuleFile {
		return nil, fmt.Errorf("model: rules: %s is larger than %d bytes", name, maxRuleFile)
	}
	return text, nil
}

// compile makes Rules of the texts of files.
func compile(files map[string][]byte) (*Rules, error) {
	c := &compiler{r: &Rules{
		objects: map[string]*objectRule{},
		hide:    [2]*pattern{{}, {}},
		drop:    &pattern{},
	}}
	docs := make([]yval, 0, len(files))
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(sum, "%d %s %d %s", len(name), name, len(files[name]), files[name])
		doc, ok, err := parseYAML(name, files[name])
		if err != nil {
			return nil, err
		}
		if ok {
			docs = append(docs, doc)
		}
	}
	// All objects are declared before the first mapping refers to one.
	for _, doc := range docs {
		if err := c.declarations(doc); err != nil {
			return nil, err
		}
	}
	c.finishObjects()
	for _, doc := range docs {
		if err := c.mappings(doc); err != nil {
			return nil, err
		}
	}
	c.finishMaps()
	c.r.sum = binary.BigEndian.Uint64(sum.Sum(nil))
	return c.r, nil
}
