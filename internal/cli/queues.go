// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/routing"
)

// queuesCommand shows what waits in a running gateway.
func queuesCommand(env Env) *cobra.Command {
	a := &adminVerb{}
	list := &cobra.Command{
		Use:     "list",
		Short:   "List for whom Records wait, how many, and since when",
		Example: "  uspgate queues list",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			queues := []routing.QueueInfo{}
			if err := a.get(cmd.Context(), "queues", nil, &queues); err != nil {
				return err
			}
			if wanted, err := a.out.json(queues); wanted {
				return err
			}
			now := time.Now()
			rows := make([][]string, len(queues))
			for i, q := range queues {
				rows[i] = []string{
					string(q.EndpointID), q.Role, string(q.From), strconv.Itoa(q.Records),
					strconv.FormatInt(q.Bytes, 10), ago(q.Oldest, now),
				}
			}
			a.out.table([]string{"ENDPOINT ID", "ROLE", "FROM", "RECORDS", "BYTES", "OLDEST"}, rows)
			return nil
		},
	}
	cmd := group("queues", "Show the Records that wait in a running gateway", list)
	a.flags(env, cmd)
	return cmd
}
