// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"fmt"
	"io"
)

// OpenBuiltin opens the CSV file of a built-in model, for who shows the same device in
// another way. The caller closes it.
func OpenBuiltin(name string) (io.ReadCloser, error) {
	f, err := builtin.Open("models/" + name + ".csv")
	if err != nil {
		return nil, fmt.Errorf("sim/cpe: no built-in model %q", name)
	}
	return f, nil
}
