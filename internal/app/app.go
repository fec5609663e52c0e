// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/cwmp/connreq/udp"
	"github.com/uspgate/uspgate/cwmp/connreq/xmpp"
	"github.com/uspgate/uspgate/internal/admin"
	"github.com/uspgate/uspgate/internal/cluster"
	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/internal/obs"
	"github.com/uspgate/uspgate/internal/pki"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/profile"
	"github.com/uspgate/uspgate/translate/proxied"
)

// Options is what New wires together.
type Options struct {
	Config  *config.Config // as config.Load returned it
	Log     *zap.Logger    // nil: no logging
	Version string
	Tap     Tap // nil: nobody watches
}

// App is one gateway. Several may live in one process.
type App struct {
	log        *zap.Logger
	keep       *keep
	node       *cluster.Node // nil: there is only one
	shared     shared        // where there are several
	nonces     []byte        // with what those of Digest are made; nil: anything
	probes     *obs.Server   // nil without metrics.listen
	router     *routing.Router
	control    *control
	transports []mtp.Transport
	host       *agent.Host
	proxied    *proxied.Gateway // nil without translate.proxied
	fleet      *device.Fleet
	waker      *connreq.Waker
	stun       *udp.Server  // nil without cwmp.connection_request.udp.listen
	xmpp       *xmpp.Client // nil without cwmp.connection_request.xmpp.jid
	acs        *acs.Server
	files      *fileService // nil without cwmp.files.listen
	profiles   *profile.Table
	desk       *desk         // for whoever asks about CPE
	admin      *admin.Server // nil without admin.listen
	neighbours *neighbours   // nil without discovery

	showings     []showing
	certificates []*pki.Source
}

// New builds a gateway and opens what it has kept from before; it listens to
// nothing yet. Run, or Close, ends it.
func New(ctx context.Context, o Options) (*App, error) {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	reg := obs.NewRegistry(o.Version)
	a := &App{log: o.Log}
	if err := a.build(ctx, o, reg); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *App) build(ctx context.Context, o Options, reg *prometheus.Registry) error {
	var err error
	if a.keep, err = openKeep(ctx, o, reg); err != nil {
		return err
	}
	if err = a.joinCluster(ctx, o, reg); err != nil {
		return err
	}
	if o.Config.Metrics.Listen != "" {
		a.probes = obs.NewServer(o.Config.Metrics.Listen, reg, append(a.keep.checks(), a.clusterChecks()...)...)
	}
	for _, build := range []func(Options, *prometheus.Registry) error{
		a.buildRouter, a.buildTransports, a.buildDiscovery, a.buildFiles, a.buildTranslation, a.buildACS, a.buildAdmin,
	} {
		if err := build(o, reg); err != nil {
			return err
		}
	}
	return nil
}

// Close lets go of what New has opened, if Run has not done so.
func (a *App) Close() error { return a.keep.close() }

// Listen binds every listener, so that Addresses is known and nothing is
// served half.
func (a *App) Listen(ctx context.Context) error {
	for _, t := range a.transports {
		if err := t.Listen(ctx); err != nil {
			return err
		}
	}
	if a.stun != nil {
		if err := a.stun.Listen(ctx); err != nil {
			return err
		}
	}
	if err := a.acs.Listen(ctx); err != nil {
		return err
	}
	if a.files != nil {
		if err := a.files.srv.Listen(ctx); err != nil {
			return err
		}
	}
	if a.admin != nil {
		if err := a.admin.Listen(ctx); err != nil {
			return err
		}
	}
	if a.probes != nil {
		return a.probes.Listen(ctx)
	}
	return nil
}

// buildAdmin makes the API of the administrator.
func (a *App) buildAdmin(o Options, _ *prometheus.Registry) error {
	c := &o.Config.Admin
	if c.Listen == "" {
		return nil
	}
	token := c.TokenFile
	if token == "" {
		token = filepath.Join(o.Config.DataDir, "admin.token")
	}
	var err error
	a.admin, err = admin.New(admin.Options{
		Listen: c.Listen, TokenFile: token, Router: a.router, Devices: a.desk, Nodes: a.nodes, Version: o.Version,
		Log: o.Log,
	})
	return err
}

// nodes are the processes that are one gateway with this one.
func (a *App) nodes() []admin.Node {
	if a.node == nil {
		return nil
	}
	var list []admin.Node
	for _, n := range a.node.Nodes() {
		list = append(list, admin.Node{Name: n.Name, Since: n.Since.UTC(), Owned: n.Owned, Me: n.Me, Linked: n.Linked})
	}
	return list
}

// Addresses returns the bound address of every listener by name: those of
// mtp, "cwmp", "files", "admin" and "metrics".
func (a *App) Addresses() map[string]string {
	out := map[string]string{"cwmp": a.acs.Addr()}
	if a.files != nil {
		out["files"] = a.files.srv.Addr()
	}
	if a.probes != nil {
		out["metrics"] = a.probes.Addr()
	}
	if a.admin != nil {
		out["admin"] = a.admin.Addr()
	}
	for _, t := range a.transports {
		out[t.Name()] = t.Addr()
	}
	return out
}

// stage is a part of the gateway that is stopped as one.
type stage struct {
	name string
	run  []func(context.Context) error
}

// Run serves until ctx ends or a part fails for good, then stops in order:
// CWMP sessions come to their end, Virtual Agents answer what they have, Links
// flush and close.
func (a *App) Run(ctx context.Context) error {
	south := []func(context.Context) error{a.acs.Run}
	if a.files != nil {
		south = append(south, a.files.srv.Run)
	}
	stages := []stage{
		{"cwmp", south},
		{"translate", a.translators()},
		{"connreq", a.wakers()},
		{"mtp", a.carriers()},
		{"routing", []func(context.Context) error{a.router.Run}},
	}
	stages = append(stages, a.clusterStage()...)
	if k := a.keep.known; k != nil {
		remember := func(ctx context.Context) error { return k.run(ctx, a.router) }
		stages = append(stages, stage{"known", []func(context.Context) error{remember}})
	}
	if a.neighbours != nil { // the first to go: nobody is to come any more
		stages = slices.Insert(stages, 0, stage{"discovery", a.neighbours.run()})
	}
	if a.admin != nil {
		stages = append(stages, stage{"admin", []func(context.Context) error{a.admin.Run}})
	}
	if len(a.certificates) > 0 {
		watch := stage{name: "certificates"}
		for _, s := range a.certificates {
			watch.run = append(watch.run, s.Run)
		}
		stages = append(stages, watch)
	}
	if a.probes != nil {
		stages = append(stages, stage{"metrics", []func(context.Context) error{a.probes.Run}})
	}
	stages = slices.DeleteFunc(stages, func(s stage) bool { return len(s.run) == 0 }) // mtp: []
	failed := make(chan error, len(stages))
	running := make([]*runningStage, len(stages))
	for i, s := range stages {
		running[i] = start(context.WithoutCancel(ctx), s, failed)
	}
	stopShowing := a.represent()
	a.announce()
	var cause error
	select {
	case <-ctx.Done():
	case cause = <-failed:
	}
	if a.probes != nil {
		a.probes.SetReady(false)
	}
	a.log.Info("shutting down")
	stopShowing()
	begin := time.Now()
	for _, r := range running {
		cause = errors.Join(cause, r.stop())
	}
	cause = errors.Join(cause, a.Close())
	a.log.Info("stopped", zap.Duration("took", time.Since(begin)))
	return cause
}

func (a *App) carriers() []func(context.Context) error {
	out := make([]func(context.Context) error, len(a.transports))
	for i, t := range a.transports {
		out[i] = func(ctx context.Context) error { return t.Run(ctx, a.router) }
	}
	return out
}

func (a *App) announce() {
	for name, address := range a.Addresses() {
		a.log.Info("listening", zap.String("listener", name), zap.String("address", address))
	}
	if a.probes != nil {
		a.probes.SetReady(true)
	}
}

// runningStage owns the goroutines of a stage.
type runningStage struct {
	name   string
	cancel context.CancelFunc
	done   chan error
}

// start runs a stage and reports on failed if it ends by itself.
func start(ctx context.Context, s stage, failed chan<- error) *runningStage {
	ctx, cancel := context.WithCancel(ctx)
	r := &runningStage{name: s.name, cancel: cancel, done: make(chan error, 1)}
	group, groupCtx := errgroup.WithContext(ctx)
	for _, run := range s.run {
		group.Go(func() error { return run(groupCtx) })
	}
	go func() {
		err := group.Wait()
		if ctx.Err() == nil {
			failed <- fmt.Errorf("%s stopped: %w", s.name, errors.Join(err, errEnded))
		}
		r.done <- err
	}()
	return r
}

// errEnded stands for a part that ended without an error though nobody asked.
var errEnded = errors.New("ended without being asked")

func (r *runningStage) stop() error {
	r.cancel()
	if err := <-r.done; err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	return nil
}
