// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/cohort"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/translate/proxied"
	"github.com/uspgate/uspgate/usp"
)

// gatewayBucket holds what the gateway Agent has to remember, by its Endpoint ID.
const gatewayBucket = "GATEWAY"

// maxGatewayState bounds that: about 1 KB for each mounted CPE, and what is mirrored to it.
const maxGatewayState = 16 << 20

// gatewayInbox is how many requests the gateway Agent has in hand: they are for many CPE.
const gatewayInbox = 1024

// gatewayAgent is the Endpoint ID of the gateway Agent, empty if there is none.
func (o *Options) gatewayAgent() string { return o.Config.Translate.Proxied.EndpointID }

// buildProxied makes the gateway Agent, if there is to be one.
func (a *App) buildProxied(o Options, reg *prometheus.Registry, rules *model.Rules, link *virtualLink,
	records agent.RecordOptions,
) error {
	c := &o.Config.Translate.Proxied
	if c.EndpointID == "" {
		return nil
	}
	keeper, err := newGatewayKeeper(a.keep)
	if err != nil {
		return err
	}
	records.Protected = a.host.Protected // it is told of every Controller
	id := usp.EndpointID(c.EndpointID)
	list := make([]cohort.Selector, len(c.Select))
	for i := range list {
		list[i] = c.Select[i].Selector()
	}
	a.proxied, err = proxied.New(proxied.Options{
		EndpointID: id, Select: list, Tags: a.tags, Max: c.Max, OnlineFor: time.Duration(c.OnlineFor), Agents: a.host,
		Agent: agent.Options{
			Send:            link.send,
			Rules:           rules,
			Journal:         journalOf{a.keep.state.Journal(), func(to string) bool { return to == c.EndpointID }},
			Keeper:          keeper,
			Deadline:        time.Duration(o.Config.Translate.Deadline),
			Controllers:     controllers(o.Config.Controllers, o.Config.Translate.E2ESession),
			Roles:           roles(o.Config.Roles),
			Protocols:       protocols(o.Config.MTP),
			SoftwareVersion: o.Version,
			Records:         records,
			Inbox:           gatewayInbox,
			Log:             o.Log,

			FixedControllers: !o.Config.Translate.Writable,
			Beside:           a.host,
		},
		Log: o.Log, Metrics: reg,
	})
	if err != nil {
		return err
	}
	link.gateway = a.proxied
	a.host.Each(a.proxied.Known)
	return link.bindGateway(id, o.Config.Controllers)
}

// translators are what runs on the side of the CPE.
func (a *App) translators() []func(context.Context) error {
	list := []func(context.Context) error{a.fleet.Run, a.host.Run}
	if a.proxied != nil {
		list = append(list, a.proxied.Run)
	}
	return list
}

// heard tells the gateway Agent of a session of a CPE.
func (a *App) heard(in *cwmp.Inform) {
	if a.proxied == nil {
		return
	}
	version := ""
	for _, p := range in.Params {
		if p.Name == "Device.DeviceInfo.SoftwareVersion" || p.Name == "InternetGatewayDevice.DeviceInfo.SoftwareVersion" {
			version = p.Value
		}
	}
	a.proxied.Heard(in.DeviceID, version)
}

// journalOf is the part of a Journal that is about some Agents: what a process before has
// left behind of others, others see to.
type journalOf struct {
	device.Journal

	mine func(to string) bool
}

// Unanswered implements device.Journal.
func (j journalOf) Unanswered(f func(device.Key, device.Entry) bool) error {
	return j.Journal.Unanswered(func(k device.Key, e device.Entry) bool { return !j.mine(k.To) || f(k, e) })
}

// gatewayKeeper is the agent.Keeper of the gateway Agent, which has no CPE.
type gatewayKeeper struct{ bucket store.Bucket }

var _ agent.Keeper = gatewayKeeper{}

func newGatewayKeeper(k *keep) (agent.Keeper, error) {
	var s store.Store = &store.Memory{}
	if k.engine != nil {
		s = k.engine.Store()
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookUp)
	defer cancel()
	b, err := s.Bucket(ctx, gatewayBucket, store.BucketOptions{MaxValue: maxGatewayState})
	return gatewayKeeper{b}, err
}

// Load implements agent.Keeper.
func (k gatewayKeeper) Load(id usp.EndpointID) (*agent.State, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookUp)
	defer cancel()
	e, err := k.bucket.Get(ctx, string(id))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil //nolint:nilnil // nothing is kept yet
	}
	if err != nil {
		return nil, fmt.Errorf("the gateway Agent: %w", err)
	}
	s := &agent.State{}
	if err := json.Unmarshal(e.Value, s); err != nil {
		return nil, fmt.Errorf("what is kept of the gateway Agent is not readable: %w", err)
	}
	return s, nil
}

// Save implements agent.Keeper.
func (k gatewayKeeper) Save(id usp.EndpointID, s *agent.State) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("the gateway Agent: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookUp)
	defer cancel()
	if _, err = k.bucket.Put(ctx, string(id), raw); err != nil {
		return fmt.Errorf("the gateway Agent: %w", err)
	}
	return nil
}

// Each implements agent.Keeper: there is one Agent, and it is always in memory.
func (gatewayKeeper) Each(func(agent.Kept) error) error { return nil }

// Register implements agent.Keeper.
func (gatewayKeeper) Register(cwmp.DeviceID) (usp.EndpointID, error) { return "", errNoCPE }

var errNoCPE = errors.New("the gateway Agent has no CPE")

// LoadTree implements agent.Keeper.
func (gatewayKeeper) LoadTree(usp.EndpointID) (*agent.Tree, error) {
	return nil, nil //nolint:nilnil // there never is one
}

// SaveTree implements agent.Keeper.
func (gatewayKeeper) SaveTree(usp.EndpointID, *agent.Tree) error { return nil }

// LoadModel implements agent.Keeper.
func (gatewayKeeper) LoadModel(agent.ModelKey) (*agent.Model, error) {
	return nil, nil //nolint:nilnil // there never is one
}

// Learn implements agent.Keeper.
func (gatewayKeeper) Learn(agent.ModelKey, agent.Habits) error { return nil }
