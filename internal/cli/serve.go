// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/internal/app"
	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/internal/obs"
)

// heapFloor is a block that is never touched, so it takes no memory itself. The
// collector starts when the heap has doubled: with the little that a gateway
// keeps alive that would be all the time, and a third of what a Record costs.
const heapFloor = 32 << 20

func serveCommand(env Env) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: "Run the gateway. Without -c it answers CPE on 127.0.0.1:7547 and Controllers on\n" +
			"ws://127.0.0.1:8080/usp and mqtt://127.0.0.1:1883, all of them on this host only.",
		Example: "  uspgate serve\n  uspgate serve -c /etc/uspgate/uspgate.yaml",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(file, env.Environ)
			if err != nil {
				return asUsage(err)
			}
			log, err := obs.NewLogger(env.Stderr, cfg.Log.Level, cfg.Log.Format)
			if err != nil {
				return usageError{err}
			}
			gw, err := app.New(cmd.Context(), app.Options{Config: cfg, Log: log, Version: env.Version})
			if err != nil {
				return err
			}
			if err := gw.Listen(cmd.Context()); err != nil {
				return errors.Join(err, gw.Close())
			}
			floor := make([]byte, heapFloor)
			defer runtime.KeepAlive(floor)
			return gw.Run(cmd.Context())
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration file; empty: the defaults")
	return cmd
}

// asUsage marks a failure to read the configuration as wrong use.
func asUsage(err error) error {
	var problems config.ProblemsError
	if errors.As(err, &problems) {
		return err
	}
	return usageError{err}
}
