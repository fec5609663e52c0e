// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/internal/admin"
	"github.com/uspgate/uspgate/routing"
)

// endpointsCommand shows whom a running gateway knows.
func endpointsCommand(env Env) *cobra.Command {
	a := &adminVerb{}
	cmd := group("endpoints", "Show the Endpoints that a running gateway knows", a.endpointsList(), a.endpointsShow())
	a.flags(env, cmd)
	return cmd
}

func (a *adminVerb) endpointsList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List every Endpoint with its role, how it is reached, and whether it is there",
		Example: "  uspgate endpoints list\n  uspgate endpoints list -o json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list := []routing.EndpointInfo{}
			if err := a.get(cmd.Context(), "endpoints", nil, &list); err != nil {
				return err
			}
			if wanted, err := a.out.json(list); wanted {
				return err
			}
			a.endpointTable(list)
			return nil
		},
	}
}

func (a *adminVerb) endpointTable(list []routing.EndpointInfo) {
	now := time.Now()
	rows := make([][]string, len(list))
	for i, e := range list {
		rows[i] = []string{
			string(e.EndpointID), e.Role, e.Kind, string(e.MTP), string(e.State), ago(e.LastSeen, now),
		}
	}
	a.out.table([]string{"ENDPOINT ID", "ROLE", "KIND", "MTP", "STATE", "LAST SEEN"}, rows)
}

func (a *adminVerb) endpointsShow() *cobra.Command {
	return &cobra.Command{
		Use:     "show ENDPOINT-ID",
		Short:   "Show one Endpoint, and where Records to it go",
		Example: "  uspgate endpoints show ops::00D09E-DSL100-1",
		Args:    endpointArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{"endpoint_id": args}
			list := []routing.EndpointInfo{}
			if err := a.get(cmd.Context(), "endpoints", query, &list); err != nil {
				return err
			}
			if len(list) == 0 {
				return fmt.Errorf("the gateway does not know %s; uspgate routes explain says what would become of a Record to it",
					printable(args[0]))
			}
			reasons := []admin.Explanation{}
			for _, e := range list {
				query.Set("role", e.Role)
				var some []admin.Explanation
				if err := a.get(cmd.Context(), "routes/explain", query, &some); err != nil {
					return err
				}
				reasons = append(reasons, some...)
			}
			if wanted, err := a.out.json(map[string]any{"endpoints": list, "explanations": reasons}); wanted {
				return err
			}
			a.endpointTable(list)
			fmt.Fprintln(a.out.to)
			a.printReasons(reasons)
			return nil
		},
	}
}
