// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Command notices prints which modules are linked into uspgate, under which
// licences, and the texts of these. The output depends on go.mod alone, not on
// the machine: make notices writes it to NOTICES, and a test compares.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
)

func main() {
	ctx := context.Background()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1) //nolint:forbidigo // a command says by its exit code that it failed
	}
}

// run writes the notices of cmd/uspgate to out.
func run(ctx context.Context, out io.Writer) error {
	modules, err := linked(ctx, "github.com/uspgate/uspgate/cmd/uspgate")
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	if err := write(w, modules); err != nil {
		return err
	}
	return w.Flush()
}
