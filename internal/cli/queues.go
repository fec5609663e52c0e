// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/internal/admin"
	"github.com/uspgate/uspgate/routing"
)

// queuesCommand shows what waits in a running gateway, and drops it.
func queuesCommand(env Env) *cobra.Command {
	a := &adminVerb{}
	cmd := group("queues", "Show and purge the Records that wait in a running gateway",
		queuesList(a), queuesShow(a), queuesPurge(a), queuesDrops(a))
	a.flags(env, cmd)
	return cmd
}

func queuesList(a *adminVerb) *cobra.Command {
	return &cobra.Command{
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
}

// receiver is whose queue a verb means.
type receiver struct{ role, from string }

func (r *receiver) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.role, "role", "", "agent or controller; empty: both")
	cmd.Flags().StringVar(&r.from, "from", "", "only the queue of this counterpart, where the Endpoint has one for each")
}

func (r *receiver) query(id string) url.Values {
	q := url.Values{"endpoint_id": {id}}
	if r.role != "" {
		q.Set("role", r.role)
	}
	if r.from != "" {
		q.Set("from", r.from)
	}
	return q
}

func queuesShow(a *adminVerb) *cobra.Command {
	var who receiver
	limit := 0
	cmd := &cobra.Command{
		Use:     "show ENDPOINT-ID",
		Short:   "List the Records that wait for an Endpoint, the oldest first",
		Example: "  uspgate queues show os::00D09E-1 --limit 10",
		Args:    endpointArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			q := who.query(args[0])
			q.Set("limit", strconv.Itoa(limit))
			items := []admin.Item{}
			if err := a.get(cmd.Context(), "queues/items", q, &items); err != nil {
				return err
			}
			if wanted, err := a.out.json(items); wanted {
				return err
			}
			now := time.Now()
			rows := make([][]string, len(items))
			for i, it := range items {
				rows[i] = []string{
					strconv.FormatUint(it.Seq, 10), it.Role, string(it.From), it.Type,
					strconv.Itoa(it.Bytes), ago(it.Since, now), it.Via,
				}
			}
			a.out.table([]string{"SEQ", "ROLE", "FROM", "TYPE", "BYTES", "SINCE", "VIA"}, rows)
			return nil
		},
	}
	who.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 100, "how many at most, up to 10000")
	return cmd
}

func queuesPurge(a *adminVerb) *cobra.Command {
	var who receiver
	cmd := &cobra.Command{
		Use:   "purge ENDPOINT-ID",
		Short: "Drop every Record that waits for an Endpoint",
		Long: "Drop every Record that waits for an Endpoint. Their senders have been told that they are\n" +
			"kept and are not told otherwise. What is on its way to the Endpoint already may arrive.",
		Example: "  uspgate queues purge os::00D09E-1",
		Args:    endpointArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			var purged admin.Purged
			if err := a.post(cmd.Context(), "queues/purge", who.query(args[0]), &purged); err != nil {
				return err
			}
			if wanted, err := a.out.json(purged); wanted {
				return err
			}
			_, err := fmt.Fprintf(a.out.to, "%d Records dropped\n", purged.Records)
			return err
		},
	}
	who.flags(cmd)
	return cmd
}

func queuesDrops(a *adminVerb) *cobra.Command {
	return &cobra.Command{
		Use:     "drops",
		Short:   "List the Records that were given up last while they waited",
		Example: "  uspgate queues drops",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			drops := []admin.Drop{}
			if err := a.get(cmd.Context(), "queues/drops", nil, &drops); err != nil {
				return err
			}
			if wanted, err := a.out.json(drops); wanted {
				return err
			}
			now := time.Now()
			rows := make([][]string, len(drops))
			for i, d := range drops {
				rows[i] = []string{
					string(d.EndpointID), d.Role, string(d.From), strconv.FormatUint(d.Seq, 10),
					strconv.Itoa(d.Records), d.Reason, ago(d.At, now),
				}
			}
			a.out.table([]string{"ENDPOINT ID", "ROLE", "FROM", "SEQ", "RECORDS", "REASON", "AT"}, rows)
			return nil
		},
	}
}
