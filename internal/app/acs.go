// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/cwmp/soap"
	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/listen"
	"github.com/uspgate/uspgate/translate/device"
)

// buildACS makes the server to which CPE open their sessions.
func (a *App) buildACS(o Options, reg *prometheus.Registry) error {
	c := &o.Config.CWMP
	a.desk = &desk{
		kept: a.keep.state, host: a.host, shared: a.node != nil, fleet: a.fleet, waker: a.waker,
		informs: newInforms(o.Config.Translate.MaxDevices), cwmp: c,
	}
	options := acs.Options{
		Addr:               c.Listen,
		Handler:            noting{a.fleet, a.desk.informs, a.heard},
		MaxConns:           c.MaxConnections,
		MaxConnsPerAddress: c.MaxPerAddress,
		MaxSessions:        c.MaxSessions,
		SessionRate:        orNever(c.SessionRate),
		SessionBurst:       c.SessionBurst,
		Expected:           func(h acs.Hint) bool { return a.fleet.Awaited(h.Device) },
		Profile:            a.fleet.Profile,
		Found:              a.fleet.Found,
		MaxMemory:          int64(c.MaxMemory),
		Limits:             soap.Limits{MaxBytes: int64(c.MaxEnvelope)},
		SessionTimeout:     time.Duration(c.SessionTimeout),
		Methods:            device.Methods(),
		Log:                o.Log,
		Metrics:            reg,
	}
	var err error
	if options.TLS, err = a.cpeTLS(o, reg, c); err != nil {
		return fmt.Errorf("cwmp.tls: %w", err)
	}
	if options.Legacy, err = legacyTLS(&c.TLS); err != nil {
		return fmt.Errorf("cwmp.tls: %w", err)
	}
	kept, err := newKeptLogins(a.desk.kept.Inventory(), a.node != nil, o.Log, reg)
	if err != nil {
		return err
	}
	if options.Auth, err = cpeAuth(&c.Auth, a.nonces, kept); err != nil {
		return fmt.Errorf("cwmp.auth: %w", err)
	}
	if err := behindProxies(c, o, reg, &options); err != nil {
		return err
	}
	a.sessions(&options)
	a.acs, err = acs.New(options)
	if err == nil && a.node != nil {
		a.node.ServeExchanges(a.acs)
	}
	return err
}

// behindProxies has the addresses of CPE taken from what these networks say.
func behindProxies(c *config.CWMP, o Options, reg *prometheus.Registry, options *acs.Options) error {
	var err error
	if options.TrustedProxies, err = networks(c.ForwardedFrom); err != nil {
		return fmt.Errorf("cwmp.forwarded_from: %w", err)
	}
	options.ForwardedHeader = c.ForwardedHeader
	balancers, err := networks(c.ProxyFrom)
	if err != nil {
		return fmt.Errorf("cwmp.proxy_from: %w", err)
	}
	if len(balancers) == 0 {
		return nil
	}
	met, err := mtp.NewMetrics(reg, "cwmp")
	if err != nil {
		return err
	}
	options.Bind = func(ctx context.Context) (net.Listener, error) {
		return listen.Listen(ctx, listen.Options{Address: c.Listen, ProxyFrom: balancers, Metrics: met, Log: o.Log})
	}
	return nil
}
