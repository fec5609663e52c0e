// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Command uspgate is a gateway between two generations of device management:
// it relays USP Records between transports and shows TR-069 CPE as USP Agents.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/uspgate/uspgate/internal/cli"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, cli.Env{
		Version: version, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(),
	}, os.Args[1:])
	stop()
	os.Exit(code)
}
