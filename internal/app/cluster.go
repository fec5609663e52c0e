// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/internal/cluster"
	"github.com/uspgate/uspgate/internal/obs"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// joinCluster makes this process one of several that are one gateway, if its
// engine is a cluster. Another one with its name has it fail.
func (a *App) joinCluster(ctx context.Context, o Options, reg *prometheus.Registry) error {
	if o.Config.Engine.URL == "" {
		return nil
	}
	options := cluster.Options{
		Name:    o.Config.Engine.Node,
		Store:   a.keep.engine.Store(),
		Bus:     a.keep.engine.Bus(),
		Adopt:   a.adopt,
		Lost:    a.lose,
		Log:     o.Log,
		Metrics: reg,
	}
	err := a.rememberNode(o.Config.DataDir, &options)
	if err != nil {
		return err
	}
	if a.node, err = cluster.New(ctx, options); err != nil {
		return err
	}
	if err := a.node.Join(ctx); err != nil {
		return err
	}
	if a.nonces, err = a.node.Secret(ctx, "digest"); err != nil {
		return fmt.Errorf("cwmp.auth: %w", err)
	}
	return nil
}

// rememberNode has a process that comes after one which was killed not wait for
// the end of that one's lease: who has the lock of data_dir knows that it is gone.
func (a *App) rememberNode(dir string, o *cluster.Options) error {
	if dir == "" {
		return nil
	}
	var err error
	if a.keep.dir, err = openDataDir(dir); err != nil {
		return err
	}
	name := filepath.Join(dir, "node")
	previous, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("data_dir: %w", err)
	}
	o.Previous = string(previous)
	o.Remember = func(instance string) error { return os.WriteFile(name, []byte(instance), 0o600) }
	return nil
}

// peers is by whom addresses are divided among nodes; nil: there is one.
func (a *App) peers() routing.Peers {
	if a.node == nil {
		return nil
	}
	return a.node.Peers()
}

// clusterStage runs the node as long as anything that it carries.
func (a *App) clusterStage() []stage {
	if a.node == nil {
		return nil
	}
	a.node.Attach(a.router)
	return []stage{{"cluster", []func(context.Context) error{a.node.Run}}}
}

// clusterChecks tell whether the node is one.
func (a *App) clusterChecks() []obs.Check {
	if a.node == nil {
		return nil
	}
	return []obs.Check{{Name: "cluster", Ready: a.node.Ready}}
}

// exclusive has a client role run at one node: brokers and Controllers would take
// two connections of it for two peers.
func (a *App) exclusive(t mtp.Transport) mtp.Transport {
	if a.node == nil {
		return t
	}
	return a.node.Exclusive(t)
}

// sessions has each device's session served by the node that owns it.
func (a *App) sessions(o *acs.Options) {
	if a.node == nil {
		return
	}
	o.Handler = a.node.Sessions(o.Handler, addressOf)
	o.Node = cluster.CookieNode(a.node.Name())
	o.Elsewhere = a.node.Exchanges()
	a.shareSessions(o)
}

// addressOf is by what the owner of a device is found. Where two devices share the
// Endpoint ID both are at one node.
func addressOf(id cwmp.DeviceID) usp.Address {
	return usp.Address{ID: agent.EndpointIDFor(id.Key()), Role: usp.RoleAgent}
}
