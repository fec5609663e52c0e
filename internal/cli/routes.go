// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/internal/admin"
	"github.com/uspgate/uspgate/usp"
)

// routesCommand shows where a running gateway sends Records.
func routesCommand(env Env) *cobra.Command {
	a := &adminVerb{}
	cmd := group("routes", "Show where a running gateway sends Records, and why", a.routesList(), a.routesExplain())
	a.flags(env, cmd)
	return cmd
}

func (a *adminVerb) routesList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the static routes, rules and aliases, in the order in which they are tried",
		Example: "  uspgate routes list",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all admin.Routes
			if err := a.get(cmd.Context(), "routes", nil, &all); err != nil {
				return err
			}
			if wanted, err := a.out.json(all); wanted {
				return err
			}
			a.printRoutes(&all)
			return nil
		},
	}
}

func (a *adminVerb) printRoutes(all *admin.Routes) {
	rows := make([][]string, len(all.Routes))
	for i, r := range all.Routes {
		allow := "anyone"
		if len(r.AllowFrom) > 0 {
			allow = strings.Join(r.AllowFrom, ", ")
		}
		via := strings.Join(append([]string{r.Via}, r.Fallback...), ", ")
		rows[i] = []string{r.Match, either(r.Role), via, r.Destination, allow, yes(r.Transit)}
	}
	a.out.table([]string{"MATCH", "ROLE", "VIA", "DESTINATION", "ALLOW FROM", "TRANSIT"}, rows)
	if len(all.Rules) > 0 {
		rows = make([][]string, len(all.Rules))
		for i, r := range all.Rules {
			verdict := "allow"
			if r.Deny {
				verdict = "deny"
			}
			rows[i] = []string{verdict, r.From, r.To, either(r.Role)}
		}
		fmt.Fprintln(a.out.to)
		a.out.table([]string{"RULE", "FROM", "TO", "ROLE"}, rows)
	}
	if len(all.Aliases) > 0 {
		rows = make([][]string, len(all.Aliases))
		for i, r := range all.Aliases {
			rows[i] = []string{string(r.Alias), string(r.EndpointID)}
		}
		fmt.Fprintln(a.out.to)
		a.out.table([]string{"ALIAS", "ENDPOINT ID"}, rows)
	}
}

func either(role string) string {
	if role == usp.RoleUnknown.String() {
		return "either"
	}
	return role
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (a *adminVerb) routesExplain() *cobra.Command {
	var role, from string
	cmd := &cobra.Command{
		Use:   "explain ENDPOINT-ID",
		Short: "Say where a Record to an Endpoint would go now, and why",
		Example: "  uspgate routes explain ops::00D09E-DSL100-1\n" +
			"  uspgate routes explain ops::00D09E-DSL100-1 --role agent --from self::controller",
		Args: endpointArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := usp.ParseRole(role); err != nil {
				return usageError{fmt.Errorf("--role: %w", err)}
			}
			query := url.Values{"endpoint_id": args}
			if role != "" {
				query.Set("role", role)
			}
			if from != "" {
				query.Set("from", from)
			}
			list := []admin.Explanation{}
			if err := a.get(cmd.Context(), "routes/explain", query, &list); err != nil {
				return err
			}
			if wanted, err := a.out.json(list); wanted {
				return err
			}
			a.printReasons(list)
			return nil
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "role of the Endpoint, agent or controller; empty: both")
	cmd.Flags().StringVar(&from, "from", "", "Endpoint ID of the sender; empty: anybody")
	return cmd
}

func (a *adminVerb) printReasons(list []admin.Explanation) {
	for _, x := range list {
		for line := range strings.SplitSeq(x.Text, "\n") {
			fmt.Fprintln(a.out.to, printable(line))
		}
	}
}
