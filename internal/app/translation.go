// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"hash/fnv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/internal/state"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/translate/profile"
	"github.com/uspgate/uspgate/usp"
)

// buildTranslation makes the Virtual Agents and the Devices below them.
func (a *App) buildTranslation(o Options, reg *prometheus.Registry) error {
	rules, err := model.Load(o.Config.Translate.MappingsDir)
	if err != nil {
		return err
	}
	kept, err := openState(a.keep, o, reg)
	if err != nil {
		return err
	}
	rows := make([]profile.Row, len(o.Config.CWMP.Profiles))
	for i := range rows {
		rows[i] = o.Config.CWMP.Profiles[i].Row()
	}
	if a.profiles, err = profile.NewTable(rows); err != nil {
		return fmt.Errorf("cwmp.profiles: %w", err)
	}
	records, err := a.recordOptions(o, reg)
	if err != nil {
		return err
	}
	link := &virtualLink{granted: &granted{config: o.Config, router: a.router, log: o.Log}}
	a.host, err = agent.NewHost(agent.Options{
		Send:            link.send,
		Rules:           rules,
		Journal:         journalOf{kept.Journal(), func(to string) bool { return to != o.gatewayAgent() }},
		Keeper:          kept.Agents(),
		Device:          func(id cwmp.DeviceID) (agent.Device, error) { return a.deviceOf(id, o.Tap) },
		Freshness:       o.Config.Translate.Freshness.MaxAge(),
		FreshnessRules:  o.Config.Translate.FreshnessRules(),
		Poll:            time.Duration(o.Config.Translate.Poll),
		Deadline:        time.Duration(o.Config.Translate.Deadline),
		Linger:          time.Duration(o.Config.Translate.Linger),
		DiagnosticWait:  time.Duration(o.Config.Translate.Diagnostic),
		UnitWait:        time.Duration(o.Config.Translate.Unit),
		BulkInterval:    time.Duration(o.Config.Translate.BulkEvery),
		MaxReport:       int(o.Config.Translate.BulkReport),
		Idle:            time.Duration(o.Config.Translate.Idle),
		MaxAwake:        o.Config.Translate.MaxAwake,
		MaxAwakeBytes:   int64(o.Config.Translate.AwakeBytes),
		Profiles:        a.profiles,
		Transfers:       transferLimits(&o.Config.CWMP.Transfers),
		Files:           a.agentFiles(),
		Controllers:     controllers(o.Config.Controllers, o.Config.Translate.E2ESession),
		Records:         records,
		Roles:           roles(o.Config.Roles),
		Defaults:        defaults(o.Config.Translate.Defaults),
		Tags:            a.tags,
		Protocols:       protocols(o.Config.MTP),
		SoftwareVersion: o.Version,
		Log:             o.Log,
		Metrics:         reg,

		Gateway:          usp.EndpointID(o.gatewayAgent()),
		FixedControllers: !o.Config.Translate.Writable,
		LetUntrusted:     o.Config.Translate.Unknown == config.Untrusted,
		AccessChanged:    a.accessChanged(),
	})
	if err != nil {
		return err
	}
	if a.files != nil {
		a.files.host = a.host
	}
	a.shareTrust(o)
	if err := link.attach(a.router, a.host); err != nil {
		return err
	}
	if err := a.serve(kept, link); err != nil {
		return err
	}
	if err := a.buildProxied(o, reg, rules, link, records); err != nil {
		return err
	}
	return a.buildFleet(o, reg, kept, link)
}

// buildFleet makes the Devices, which bring their Virtual Agents to life.
func (a *App) buildFleet(o Options, reg *prometheus.Registry, kept *state.State, link *virtualLink) error {
	if err := a.buildWaker(o, reg); err != nil {
		return err
	}
	cr := &o.Config.CWMP.ConnectionRequest
	var others []device.Login
	for _, l := range cr.Logins {
		others = append(others, device.Login{Username: l.Username, Password: l.Password.Reveal()})
	}
	var err error
	a.fleet, err = device.New(device.Options{
		Waker:       a.waker,
		Profiles:    a.profiles,
		Keeper:      kept.Devices(),
		Attach:      func(d *device.Device) (device.Observer, error) { return a.attachAgent(d, o.Tap, link) },
		Resting:     a.resting(),
		Renew:       a.host.Renew,
		Epoch:       epoch(&o),
		MaxDevices:  o.Config.Translate.MaxDevices,
		Login:       device.Login{Username: cr.Username, Password: cr.Password.Reveal()},
		KeepLogin:   !cr.Provision,
		OtherLogins: others,
		Imported:    a.importedLogin,
		Log:         o.Log,
		Metrics:     reg,
	})
	return err
}

// epoch is another one with each version and configuration of the gateway.
func epoch(o *Options) uint64 {
	h := fnv.New64a()
	cr := &o.Config.CWMP.ConnectionRequest
	for _, part := range []string{o.Version, config.Print(o.Config), cr.Username, cr.Password.Reveal()} {
		_, _ = fmt.Fprintf(h, "%d %s", len(part), part) // no hash fails
	}
	return h.Sum64()
}

// resting is for device.Options.Resting. Where there are several nodes another may have
// had the Virtual Agent since it fell asleep here.
func (a *App) resting() func(cwmp.DeviceID) device.Rest {
	if a.node != nil {
		return nil
	}
	return a.host.Resting
}

// attachAgent gives a Device that has come its Virtual Agent; one that is new the
// router can reach from then on.
func (a *App) attachAgent(d *device.Device, tap Tap, link *virtualLink) (device.Observer, error) {
	ag, err := a.host.Attach(watched(d, tap))
	if err != nil {
		return nil, err
	}
	bind := link.bind
	if a.node != nil {
		bind = a.bindAgent // whoever had it before
	} else if !ag.IsNew() {
		return ag, nil
	}
	if err := bind(ag.EndpointID()); err != nil {
		a.log.Error("a Virtual Agent cannot be reached",
			zap.String("endpoint_id", string(ag.EndpointID())), zap.Error(err))
	}
	return ag, nil
}

// deviceOf returns the way to a CPE that is kept.
func (a *App) deviceOf(id cwmp.DeviceID, tap Tap) (agent.Device, error) {
	d, err := a.fleet.Get(id)
	if err != nil {
		return nil, err
	}
	return watched(d, tap), nil
}

func watched(d *device.Device, tap Tap) agent.Device {
	if tap == nil {
		return d
	}
	return tapped{d, tap}
}

func controllers(list []config.Controller, sessions config.E2ESession) []agent.Controller {
	out := make([]agent.Controller, len(list))
	for i, c := range list {
		out[i] = agent.Controller{
			EndpointID:            usp.EndpointID(c.EndpointID),
			Role:                  c.Role,
			PeriodicNotifInterval: time.Duration(c.PeriodicInterval),
			Deadline:              time.Duration(c.Deadline),
			E2ESession:            sessionOf(&c, sessions),
		}
	}
	return out
}

func roles(list []config.Role) []agent.Role {
	out := make([]agent.Role, len(list))
	for i := range list {
		out[i] = list[i].Agent()
	}
	return out
}

func defaults(list []config.Defaults) []agent.Defaults {
	out := make([]agent.Defaults, len(list))
	for i := range list {
		out[i] = list[i].Agent()
	}
	return out
}

// protocols lists the MTPs by their TR-181 names, each once.
func protocols(list []config.MTP) []string {
	names := map[string]string{
		"websocket": "WebSocket", "mqtt": "MQTT", "stomp": "STOMP", "coap": "CoAP", "uds": "UDS",
	}
	var out []string
	for _, m := range list {
		if n := names[m.Type]; n != "" {
			out = append(out, n)
			delete(names, m.Type)
		}
	}
	return out
}
