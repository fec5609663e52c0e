// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/cwmp/connreq/udp"
	"github.com/uspgate/uspgate/cwmp/connreq/xmpp"
	"github.com/uspgate/uspgate/internal/config"
)

// buildWaker makes the ways in which CPE are asked for sessions.
func (a *App) buildWaker(o Options, reg *prometheus.Registry) error {
	cr := &o.Config.CWMP.ConnectionRequest
	guard, err := guardOf(cr)
	if err != nil {
		return err
	}
	ways := map[connreq.Method]connreq.Requester{
		connreq.HTTP: connreq.New(connreq.Options{
			Guard: guard, Timeout: time.Duration(cr.Timeout), Log: o.Log, Metrics: reg,
		}),
	}
	if len(cr.UDP.Listen) > 0 {
		a.stun = udp.New(udp.Options{
			Addrs: cr.UDP.Listen, Guard: guard, Credentials: stunUsers(cr.UDP.Users), Rate: float64(cr.UDP.Rate),
			Log: o.Log, Metrics: reg,
		})
		ways[connreq.UDP] = a.udpWay(a.stun)
	}
	if cr.XMPP.JID != "" {
		if a.xmpp, err = a.newXMPP(o, reg, &cr.XMPP); err != nil {
			return fmt.Errorf("cwmp.connection_request.xmpp: %w", err)
		}
		ways[connreq.XMPP] = a.xmpp
	}
	retries := cr.Retries
	if retries == 0 {
		retries = -1
	}
	w := connreq.WakerOptions{
		Ways: ways, SessionWait: time.Duration(cr.SessionWait), Retries: retries, MaxActive: cr.MaxActive,
		MaxPerNetwork: cr.MaxPerNetwork, Waking: a.awaiting(), Log: o.Log, Metrics: reg,
	}
	for _, m := range cr.Order {
		w.Order = append(w.Order, connreq.Method(m))
	}
	a.waker = connreq.NewWaker(w)
	return nil
}

func guardOf(cr *config.ConnectionRequest) (connreq.Guard, error) {
	guard := connreq.Guard{SourceOnly: len(cr.Networks) == 0, AllowLoopback: cr.AllowLoopback}
	for _, n := range cr.Networks {
		p, err := netip.ParsePrefix(n)
		if err != nil {
			return guard, fmt.Errorf("cwmp.connection_request.networks: %w", err)
		}
		guard.Networks = append(guard.Networks, p)
	}
	return guard, nil
}

// stunUsers finds passwords; nil where there are no users.
func stunUsers(users []config.User) func(string) (string, bool) {
	if len(users) == 0 {
		return nil
	}
	passwords := make(map[string]string, len(users))
	for _, u := range users {
		passwords[u.Username] = u.Password.Reveal()
	}
	return func(username string) (string, bool) {
		p, ok := passwords[username]
		return p, ok
	}
}

func (a *App) newXMPP(o Options, reg *prometheus.Registry, c *config.XMPP) (*xmpp.Client, error) {
	_, domain, _ := strings.Cut(c.JID, "@")
	domain, _, _ = strings.Cut(domain, "/")
	source, err := a.source(o, reg, "xmpp", &c.TLS, c.TLS.ServerCA)
	if err != nil {
		return nil, err
	}
	return xmpp.New(xmpp.Options{
		JID: c.JID, Password: c.Password.Reveal(), Addr: c.Server, DirectTLS: c.DirectTLS,
		TLS: source.ClientConfig(domain, ""), Domains: c.Domains, Log: o.Log, Metrics: reg,
	})
}

// wakers are what has to run for the sake of the Waker.
func (a *App) wakers() []func(context.Context) error {
	run := []func(context.Context) error{a.waker.Run}
	if a.stun != nil {
		run = append(run, a.stun.Run)
	}
	if a.xmpp != nil {
		run = append(run, a.xmpp.Run)
	}
	return run
}
