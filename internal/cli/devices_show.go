// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/internal/admin"
)

func devicesShow(a *adminVerb) *cobra.Command {
	return &cobra.Command{
		Use:     "show DEVICE",
		Short:   "Show all of one CPE: its state, logins, how it is woken, and how it differs from the standard",
		Example: "  uspgate devices show 00D09E-DSL100-A17\n  uspgate devices show ops::00D09E-DSL100-A17 -o json",
		Args:    deviceArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			var d admin.DeviceDetail
			if err := a.get(cmd.Context(), "devices/show", url.Values{"device": args}, &d); err != nil {
				return err
			}
			if wanted, err := a.out.json(d); wanted {
				return err
			}
			a.printDevice(&d)
			return nil
		},
	}
}

// printDevice prints what there is, one thing on a line.
func (a *adminVerb) printDevice(d *admin.DeviceDetail) {
	now := time.Now()
	c := &d.ConnectionRequest
	rows := [][2]string{
		{"device", d.ID},
		{"endpoint id", string(d.EndpointID)},
		{"manufacturer", d.Manufacturer},
		{"oui", d.OUI},
		{"product class", d.ProductClass},
		{"serial number", d.SerialNumber},
		{"software version", d.SoftwareVersion},
		{"tags", strings.Join(d.Tags, " ")},
		{"state", stateOf(&d.Device)},
		{"boxes", strings.Join(d.Boxes, "; ")},
		{"last inform", ago(d.LastInform, now)},
		{"events", strings.Join(d.Events, ", ")},
		{"source", d.Source},
		{"on the wire", d.OnWire},
		{"waiting rpcs", strconv.Itoa(d.Waiting)},
		{"parameter key", d.ParameterKey},
		{"acs login", acsLogin(d.ACSLogin)},
		{"connection request url", from(c.URL, c.URLFrom)},
		{"udp address", c.UDPAddress},
		{"jabber id", c.JID},
		{"methods of the cpe", c.Methods},
		{"user names", strings.Join(c.Usernames, ", ")},
		{"provisioning", c.Provisioning},
		{"woken by", c.WokenBy},
		{"lacks of its model", strings.Join(d.Lacks, " ")},
	}
	width := 0
	for _, r := range rows {
		width = max(width, len(r[0]))
	}
	for _, r := range rows {
		if r[1] != "" {
			fmt.Fprintf(a.out.to, "%-*s  %s\n", width, r[0], printable(r[1]))
		}
	}
	if len(d.Commands) > 0 {
		fmt.Fprintln(a.out.to)
		under := make([][]string, len(d.Commands))
		for i, x := range d.Commands {
			under[i] = []string{x.Command, x.CommandKey, x.Originator, x.Status}
		}
		a.out.table([]string{"COMMAND", "KEY", "ORIGINATOR", "STATUS"}, under)
	}
	if len(d.Profile) > 0 {
		fmt.Fprintln(a.out.to)
		traits := make([][]string, len(d.Profile))
		for i, t := range d.Profile {
			traits[i] = []string{t.Name, t.Value, t.From}
		}
		a.out.table([]string{"PROFILE", "VALUE", "FROM"}, traits)
	}
	if len(d.Defaults) > 0 {
		fmt.Fprintln(a.out.to)
		rows := make([][]string, len(d.Defaults))
		for i, x := range d.Defaults {
			rows[i] = []string{x.Name, strconv.FormatBool(x.Fits), fmt.Sprintf("%d of %d", x.Given, x.Of)}
		}
		a.out.table([]string{"DEFAULTS", "FITS", "GIVEN"}, rows)
	}
	if c.Last != nil {
		fmt.Fprintf(a.out.to, "\nlast connection requests, %s\n", ago(c.Last.Began, now))
		a.printWake(c.Last)
	}
}

func from(value, origin string) string {
	if origin == "" {
		return value
	}
	return value + " (" + origin + ")"
}

func acsLogin(l *admin.DeviceLogin) string {
	if l == nil {
		return "none of its own"
	}
	return fmt.Sprintf("%s (%s %s)", l.Username, l.From, l.Since.Format(time.DateTime))
}
