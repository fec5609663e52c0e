// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package profile

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed builtin.json
var builtin string

// BuiltIn returns the rows that the gateway comes with; each says why. They are the
// caller's. An error means that the build is broken.
func BuiltIn() ([]Row, error) {
	d := json.NewDecoder(strings.NewReader(builtin))
	d.DisallowUnknownFields()
	var rows []Row
	if err := d.Decode(&rows); err != nil {
		return nil, fmt.Errorf("profile: builtin.json: %w", err)
	}
	for i := range rows {
		for _, p := range rows[i].Check() {
			return nil, fmt.Errorf("profile: builtin.json: row %d: %s: %s", i, p.Field, p.Text)
		}
	}
	return rows, nil
}
