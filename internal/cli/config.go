// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/internal/config"
)

func configCommand(env Env) *cobra.Command {
	var file string
	show := &cobra.Command{
		Use:     "print",
		Short:   "Print the effective configuration, secrets masked",
		Example: "  uspgate config print -c uspgate.yaml",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := config.Load(file, env.Environ)
			if err != nil {
				return asUsage(err)
			}
			fmt.Fprint(env.Stdout, config.Print(cfg))
			return nil
		},
	}
	show.Flags().StringVarP(&file, "config", "c", "", "configuration file; empty: the defaults")
	schema := &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of the configuration file",
		Example: "  uspgate config schema > uspgate.schema.json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			enc := json.NewEncoder(env.Stdout)
			enc.SetIndent("", "  ")
			return enc.Encode(config.Schema())
		},
	}
	return group("config", "Show the configuration or its schema", show, schema)
}
