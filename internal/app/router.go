// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// buildRouter makes the router with its buffer.
func (a *App) buildRouter(o Options, reg *prometheus.Registry) error {
	r := &o.Config.Routing
	routes, err := routes(o.Config)
	if err != nil {
		return err
	}
	rules, err := rules(o.Config.Rules)
	if err != nil {
		return err
	}
	a.control = newControl(o.Config)
	options := routing.Options{
		Buffer:              a.keep.queue,
		Known:               a.keep.before,
		Peers:               a.peers(),
		Policy:              a.control.mayManage,
		Admit:               a.control.mayBeReached,
		Routes:              routes,
		Rules:               rules,
		WindowRecords:       r.Window,
		WindowBytes:         int64(r.WindowBytes),
		HoldRecords:         r.HoldLimit,
		HoldBytes:           int64(r.HoldBytes),
		SpillAfter:          time.Duration(r.SpillAfter),
		Redeliver:           time.Duration(r.Redeliver),
		PresenceGrace:       time.Duration(r.Grace),
		ForgetAfter:         time.Duration(r.ForgetAfter),
		MaxLinksPerEndpoint: r.LinksPerID,
		MaxLinksPerIdentity: r.LinksPerWho,
		Log:                 o.Log,
		Metrics:             reg,
	}
	if r.Grace == 0 {
		options.PresenceGrace = -1 // none
	}
	for _, alias := range o.Config.Aliases {
		options.Aliases = append(options.Aliases, routing.Alias{
			Alias: usp.EndpointID(alias.Alias), Endpoint: usp.EndpointID(alias.EndpointID),
		})
	}
	for i := range o.Config.MTP {
		if o.Config.MTP[i].TrustedBroker {
			options.TrustedBrokers = append(options.TrustedBrokers, o.Config.MTP[i].Name)
		}
	}
	a.router, err = routing.New(options)
	return err
}

// routes are those of the file, then what it says elsewhere of the way to
// somebody: Controllers, for whom Notifies wait from the start, and whom the
// peers of shared connections speak for.
func routes(c *config.Config) ([]routing.Route, error) {
	list := make([]routing.Route, 0, len(c.Routes)+len(c.Controllers))
	for _, r := range c.Routes {
		role, err := usp.ParseRole(r.Role)
		if err != nil {
			return nil, err
		}
		list = append(list, routing.Route{
			Match: r.EndpointID, Role: role, Via: r.Via, Fallback: r.Fallback, Destination: r.Destination,
			AllowFrom: r.AllowFrom, Transit: r.Transit || isBroker(c, r.Via),
		})
	}
	for _, k := range c.Controllers {
		via := cmp.Or(k.MTP, behind(c, k.EndpointID))
		list = append(list, routing.Route{
			Match: k.EndpointID, Role: usp.RoleController, Via: via, Destination: k.Destination,
			Transit: isBroker(c, via),
		})
	}
	for i := range c.MTP {
		m := &c.MTP[i]
		role, err := usp.ParseRole(m.Role)
		if err != nil {
			return nil, err
		}
		if !m.Shared() {
			continue
		}
		patterns := m.SpeaksFor
		if len(patterns) == 0 { // a broker: whoever is not known elsewhere
			patterns = []string{"*"}
		}
		for _, pattern := range patterns {
			list = append(list, routing.Route{Match: pattern, Role: role, Via: m.Name, Transit: !m.Trunk})
		}
	}
	return list, nil
}

// isBroker reports that a binding is on somebody else's broker. There are
// Endpoints behind it and no gateways: Records from a trunk may go there.
func isBroker(c *config.Config, name string) bool {
	return slices.ContainsFunc(c.MTP, func(m config.MTP) bool { return m.Name == name && m.Shared() && !m.Trunk })
}

// behind is the shared binding whose peer speaks for a Controller, the first one
// if there are several.
func behind(c *config.Config, controller string) string {
	for i := range c.MTP {
		m := &c.MTP[i]
		if m.Shared() && m.Role != "agent" && slices.ContainsFunc(m.SpeaksFor, usp.EndpointID(controller).Like) {
			return m.Name
		}
	}
	return ""
}

func rules(list []config.Rule) ([]routing.Rule, error) {
	out := make([]routing.Rule, len(list))
	for i, r := range list {
		out[i] = routing.Rule{From: r.From, To: r.To, Deny: r.Action == "deny"}
		if r.Role == "" {
			continue
		}
		var err error
		if out[i].Role, err = usp.ParseRole(r.Role); err != nil {
			return nil, err
		}
	}
	return out, nil
}
