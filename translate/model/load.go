// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

// Rules are the compiled rule files. They are immutable and shared by the Views
// of all CPE.
type Rules struct{}

// Load compiles the embedded rule files, with those of overrideDir put in their
// place by file name or added to them; an empty overrideDir means none. An
// error names file, line and column.
func Load(overrideDir string) (*Rules, error) { return &Rules{}, nil }
