// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/internal/admin"
)

// nodesCommand shows the processes that are one gateway.
func nodesCommand(env Env) *cobra.Command {
	a := &adminVerb{}
	list := &cobra.Command{
		Use:     "list",
		Short:   "List the processes that are one gateway, as the one that is asked sees them",
		Example: "  uspgate nodes list",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			nodes := []admin.Node{}
			if err := a.get(cmd.Context(), "nodes", nil, &nodes); err != nil {
				return err
			}
			if wanted, err := a.out.json(nodes); wanted {
				return err
			}
			now := time.Now()
			rows := make([][]string, len(nodes))
			for i, n := range nodes {
				state := "linked"
				switch {
				case n.Me:
					state = "this one"
				case !n.Linked:
					state = "not linked"
				}
				rows[i] = []string{n.Name, ago(n.Since, now), strconv.Itoa(n.Owned), state}
			}
			a.out.table([]string{"NODE", "SINCE", "OWNED", "STATE"}, rows)
			return nil
		},
	}
	cmd := group("nodes", "Show the nodes of a gateway on a cluster", list)
	a.flags(env, cmd)
	return cmd
}
