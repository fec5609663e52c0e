// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/internal/admin"
)

// wakeTime bounds how long a verb waits for a CPE to be woken: longer than the API.
const wakeTime = 75 * time.Second

// devicesCommand shows the CPE of a running gateway, and takes in what is known of
// others.
func devicesCommand(env Env) *cobra.Command {
	a := &adminVerb{}
	cmd := group("devices", "Show, import and wake the CPE of a running gateway",
		devicesList(a), devicesShow(a), devicesValues(a), devicesImport(a), devicesWake(a),
		devicesTake(a, "forget-login", "Take back the login of a CPE", "a login",
			"Take back the login with which a CPE logs in, whether it was imported or learned. With\n"+
				"cwmp.auth.learn the next login in its name is trusted; without it, and without a user\n"+
				"of the configuration for it, the CPE is refused."),
		devicesTake(a, "unlist", "Take back what was imported of a CPE", "an entry",
			"Take back everything that was imported of a CPE, with a login that was learned. What the\n"+
				"gateway knows of one that has come stays."))
	a.flags(env, cmd)
	return cmd
}

// deviceArgument demands exactly one name of a device.
func deviceArgument(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return usageError{fmt.Errorf("%s takes one device: OUI-ProductClass-SerialNumber, or its Endpoint ID; see --help",
			cmd.CommandPath())}
	}
	return nil
}

// deviceFilter are the flags of devices list.
type deviceFilter struct {
	oui, class, serial, state, tag, after string
	limit                                 int
	quarantined, all                      bool
}

func (f *deviceFilter) query() url.Values {
	q := url.Values{"limit": {strconv.Itoa(f.limit)}}
	for name, value := range map[string]string{
		"oui": f.oui, "product_class": f.class, "serial": f.serial, "state": f.state, "tag": f.tag, "after": f.after,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.quarantined {
		q.Set("quarantined", "true")
	}
	return q
}

func devicesList(a *adminVerb) *cobra.Command {
	var f deviceFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List CPE with their state, one page of them",
		Long: "List CPE, sorted by identity, one page of them: those that have come, and those that were\n" +
			"imported and are expected. States are session, waking, asleep and expected. The time of\n" +
			"the last Inform is known since the gateway runs.",
		Example: "  uspgate devices list --oui 00D09E --state session\n" +
			"  uspgate devices list --serial A --limit 1000 --after 00D09E-DSL100-A17\n" +
			"  uspgate devices list --quarantined --all -o json",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd, a) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.oui, "oui", "", "of this OUI only")
	flags.StringVar(&f.class, "product-class", "", "of this product class only")
	flags.StringVar(&f.serial, "serial", "", "whose serial number begins so")
	flags.StringVar(&f.state, "state", "", "in this state only")
	flags.StringVar(&f.tag, "tag", "", "with this tag only")
	flags.BoolVar(&f.quarantined, "quarantined", false, "those in quarantine only")
	flags.IntVar(&f.limit, "limit", admin.DefaultDevices, "how many on a page, up to 10000")
	flags.StringVar(&f.after, "after", "", "begin after this identity")
	flags.BoolVar(&f.all, "all", false, "this page and all after it")
	return cmd
}

func (f *deviceFilter) run(cmd *cobra.Command, a *adminVerb) error {
	all := admin.DevicePage{Devices: []admin.Device{}}
	for {
		var page admin.DevicePage
		if err := a.get(cmd.Context(), "devices", f.query(), &page); err != nil {
			return err
		}
		all.Devices, all.Next = append(all.Devices, page.Devices...), page.Next
		if !f.all || page.Next == "" {
			break
		}
		f.after = page.Next
	}
	if wanted, err := a.out.json(all); wanted {
		return err
	}
	now := time.Now()
	rows := make([][]string, len(all.Devices))
	for i := range all.Devices {
		d := &all.Devices[i]
		rows[i] = []string{
			d.ID, string(d.EndpointID), stateOf(d), ago(d.LastInform, now), strconv.Itoa(d.Waiting), d.Login,
			strings.Join(d.Tags, " "),
		}
	}
	a.out.table([]string{"DEVICE", "ENDPOINT ID", "STATE", "LAST INFORM", "WAITING", "LOGIN", "TAGS"}, rows)
	if all.Next != "" {
		fmt.Fprintf(a.out.to, "there are more: --after %s\n", printable(all.Next))
	}
	return nil
}

func stateOf(d *admin.Device) string {
	if d.Quarantined {
		return d.State + ", quarantine"
	}
	return d.State
}

func devicesWake(a *adminVerb) *cobra.Command {
	return &cobra.Command{
		Use:   "wake DEVICE",
		Short: "Ask a CPE for a session, and show each way that is tried",
		Long: "Ask a CPE for a session, and wait for it for 50 s at most. One that was imported and has\n" +
			"never come is asked at its connection_request_url, if that is in one of the networks of\n" +
			"cwmp.connection_request. Exit 0 if a session has come.",
		Example: "  uspgate devices wake 00D09E-DSL100-A17",
		Args:    deviceArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			var woken admin.Woken
			err := a.ask(cmd.Context(), wakeTime, http.MethodPost, "devices/wake",
				url.Values{"device": args}, http.NoBody, &woken)
			if err != nil {
				return err
			}
			wanted, err := a.out.json(woken)
			if !wanted {
				a.printWake(&woken)
			}
			if err == nil && !woken.Session {
				err = errFailed
			}
			return err
		},
	}
}

func (a *adminVerb) printWake(w *admin.Woken) {
	if len(w.Steps) > 0 {
		rows := make([][]string, len(w.Steps))
		for i, s := range w.Steps {
			rows[i] = []string{s.At.Format(time.TimeOnly), s.Method, s.To, s.Username, s.Result, s.Detail}
		}
		a.out.table([]string{"AT", "METHOD", "TO", "USERNAME", "RESULT", "DETAIL"}, rows)
	}
	switch {
	case w.Session && w.Method != "":
		fmt.Fprintf(a.out.to, "a session has come, by %s\n", printable(w.Method))
	case w.Session:
		fmt.Fprintln(a.out.to, "there is a session")
	case w.Reason == "" && w.Ended.IsZero():
		fmt.Fprintln(a.out.to, "they go on")
	case w.Reason == "":
		fmt.Fprintln(a.out.to, "no session has come")
	default:
		fmt.Fprintf(a.out.to, "no session: %s\n", printable(w.Reason))
	}
}

// devicesTake is a verb that takes something away.
func devicesTake(a *adminVerb, verb, short, what, long string) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " DEVICE",
		Short:   short,
		Long:    long,
		Example: "  uspgate devices " + verb + " 00D09E-DSL100-A17",
		Args:    deviceArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			var done admin.Done
			if err := a.post(cmd.Context(), "devices/"+verb, url.Values{"device": args}, &done); err != nil {
				return err
			}
			if wanted, err := a.out.json(done); wanted {
				return err
			}
			text := "taken back"
			if !done.Done {
				text = "there was none"
			}
			fmt.Fprintf(a.out.to, "%s of %s: %s\n", what, printable(args[0]), text)
			return nil
		},
	}
}
