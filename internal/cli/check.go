// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/translate/model"
)

func checkCommand(env Env) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     "check",
		Short:   "Validate a configuration and print every problem with its place and remedy",
		Example: "  uspgate check -c /etc/uspgate/uspgate.yaml",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := config.Load(file, env.Environ)
			if err != nil {
				return asUsage(err)
			}
			if _, err := model.Load(cfg.Translate.MappingsDir); err != nil {
				return usageError{err}
			}
			name := file
			if name == "" {
				name = "the default configuration"
			}
			fmt.Fprintln(env.Stdout, name+" is valid")
			for i := range cfg.Translate.Defaults {
				fmt.Fprintln(env.Stdout, cfg.Translate.Defaults[i].Explain())
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration file")
	return cmd
}
