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
)

func devicesValues(a *adminVerb) *cobra.Command {
	limit := admin.DefaultValues
	cmd := &cobra.Command{
		Use:   "values DEVICE PATH",
		Short: "Show what is known of a CPE: values, when it gave them, and how old they may be",
		Long: "Show the values that are known of a CPE, when it has given them, in an answer or an Inform,\n" +
			"and how old they may be that answer a Get. The CPE is asked nothing; see translate.freshness.",
		Example: "  uspgate devices values 00D09E-DSL100-A17 Device.WiFi.\n" +
			"  uspgate devices values ops::00D09E-DSL100-A17 'Device.WiFi.SSID.*.SSID' -o json",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 || args[0] == "" || args[1] == "" {
				return usageError{fmt.Errorf("%s takes a device and a path; see --help", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var v admin.DeviceValues
			q := url.Values{"device": args[:1], "path": args[1:], "limit": {strconv.Itoa(limit)}}
			if err := a.get(cmd.Context(), "devices/values", q, &v); err != nil {
				return err
			}
			if wanted, err := a.out.json(v); wanted {
				return err
			}
			a.printValues(&v)
			return nil
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "most values")
	return cmd
}

func (a *adminVerb) printValues(v *admin.DeviceValues) {
	now := time.Now()
	rows := make([][]string, len(v.Values))
	for i, x := range v.Values {
		read := "not known"
		if !x.ReadAt.IsZero() {
			read = ago(x.ReadAt, now)
		}
		rows[i] = []string{x.Path, x.Value, read, x.Freshness}
	}
	a.out.table([]string{"PATH", "VALUE", "READ", "FRESHNESS"}, rows)
	if v.More {
		fmt.Fprintln(a.out.to, "there are more: name less, or give --limit")
	}
}
