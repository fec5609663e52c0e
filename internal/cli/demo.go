// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/internal/demo"
	"github.com/uspgate/uspgate/internal/obs"
)

func demoCommand(env Env) *cobra.Command {
	var stay bool
	var level string
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "Gateway, three simulated CPE and a USP Controller, end to end in one process",
		Example: "  uspgate demo\n  uspgate demo --stay",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := obs.NewLogger(env.Stderr, level, "console")
			if err != nil {
				return usageError{err}
			}
			return demo.Run(cmd.Context(), demo.Options{Out: env.Stdout, Log: log, Version: env.Version, Stay: stay})
		},
	}
	cmd.Flags().BoolVar(&stay, "stay", false, "keep everything up until interrupted")
	cmd.Flags().StringVar(&level, "log", "error", "debug, info, warn or error")
	return cmd
}
