// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/uspgate/uspgate/cwmp"
	cwmptrace "github.com/uspgate/uspgate/cwmp/trace"
	"github.com/uspgate/uspgate/internal/app"
	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// limit is how long one step may take.
const limit = 20 * time.Second

// Options configures Run.
type Options struct {
	Out     io.Writer
	Log     *zap.Logger // nil: no logging
	Version string
	// Stay keeps everything up after the last step until the context ends.
	Stay bool
}

// device is one simulated CPE with its Virtual Agent.
type device struct {
	*cpe.CPE

	model string
	agent usp.EndpointID
}

// demo is a run.
type demo struct {
	opts     Options
	print    *transcript
	group    *errgroup.Group
	gateway  *app.App
	devices  []device               // in the order of cpe.Builtin
	ws       *controller.Controller // over WebSocket
	mqtt     *controller.Controller // over MQTT
	mappings []mapping              // rows that were added
	results  []result
}

// result is one line of the closing table.
type result struct {
	step string
	took time.Duration
	err  error
}

// Run shows everything. It fails if any step did not give what it should.
func Run(ctx context.Context, o Options) error {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	runCtx, stop := context.WithCancel(ctx)
	defer stop()
	group, groupCtx := errgroup.WithContext(runCtx)
	d := &demo{opts: o, print: &transcript{out: o.Out}, group: group}
	err := d.start(groupCtx)
	if err == nil {
		err = d.walk(groupCtx)
	}
	if err == nil && o.Stay {
		d.stay()
		<-ctx.Done()
	}
	stop()
	return errors.Join(err, group.Wait())
}

// start brings up gateway, CPE and Controllers.
func (d *demo) start(ctx context.Context) error {
	cfg := config.Default()
	cfg.CWMP.Listen, cfg.Metrics.Listen = "127.0.0.1:0", ""
	cfg.MTP[0].Listen, cfg.MTP[1].Listen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Engine.Store = "memory"
	cfg.Translate.Freshness = 0 // every Get wakes its CPE
	gw, err := app.New(ctx, app.Options{Config: &cfg, Log: d.opts.Log, Version: d.opts.Version, Tap: d.tap})
	if err != nil {
		return err
	}
	if err := gw.Listen(ctx); err != nil {
		return errors.Join(err, gw.Close())
	}
	d.gateway = gw
	d.group.Go(func() error { return gw.Run(ctx) })
	if err := d.startCPE(ctx, "http://"+gw.Addresses()["cwmp"]); err != nil {
		return err
	}
	return d.startControllers(ctx)
}

func (d *demo) startCPE(ctx context.Context, acs string) error {
	for _, name := range cpe.Builtin() {
		m, err := cpe.LoadBuiltin(name)
		if err != nil {
			return err
		}
		c, err := cpe.New(cpe.Options{ACS: acs, Model: m, Serial: "1", RebootTime: 500 * time.Millisecond, Log: d.opts.Log})
		if err != nil {
			return err
		}
		d.devices = append(d.devices, device{c, name, agent.EndpointIDFor(c.Identity())})
		d.group.Go(func() error { return c.Run(ctx) })
	}
	return nil
}

func (d *demo) startControllers(ctx context.Context) error {
	addresses := d.gateway.Addresses()
	const north, other = usp.EndpointID("self::demo"), usp.EndpointID("self::demo-mqtt")
	overWS, err := ws.NewClient(ws.ClientOptions{
		URL: "ws://" + addresses["ws"] + "/usp", Endpoint: north, Role: usp.RoleAgent, Shared: true,
	})
	if err != nil {
		return err
	}
	overMQTT, err := mqtt.NewClient(mqtt.ClientOptions{
		URL: "mqtt://" + addresses["mqtt"], Endpoint: other, Role: usp.RoleController,
	})
	if err != nil {
		return err
	}
	if d.ws, err = controller.New(controller.Options{Endpoint: north, Transport: overWS}); err != nil {
		return err
	}
	if d.mqtt, err = controller.New(controller.Options{Endpoint: other, Transport: overMQTT}); err != nil {
		return err
	}
	d.group.Go(func() error { return d.ws.Run(ctx) })
	d.group.Go(func() error { return d.mqtt.Run(ctx) })
	return nil
}

// tap takes what crosses the CPE's sessions into the right column.
func (d *demo) tap(_ cwmp.DeviceID, m cwmp.Message) {
	mark := "CWMP▶ "
	if _, ok := m.(cwmp.Response); ok {
		mark = "CWMP◀ "
	}
	d.print.cwmp(mark + cwmptrace.Message(m))
}

func (d *demo) walk(ctx context.Context) error {
	fmt.Fprintln(d.opts.Out, "uspgate demo: three TR-069 CPE, managed by a USP Controller that knows nothing of TR-069")
	for _, s := range d.steps() {
		d.print.title("%d. %s", len(d.results)+1, s.name)
		d.print.reset()
		stepCtx, cancel := context.WithTimeout(ctx, limit)
		begin := time.Now()
		err := s.run(stepCtx)
		cancel()
		d.results = append(d.results, result{s.name, time.Since(begin), err})
		if err != nil {
			d.print.say("FAILED: %v", err)
			break
		}
	}
	return d.table()
}

// table prints what every step gave.
func (d *demo) table() error {
	d.print.title("result")
	var failed error
	for i, r := range d.results {
		verdict := "ok"
		if r.err != nil {
			verdict = "FAILED " + r.err.Error()
			failed = errors.Join(failed, fmt.Errorf("step %d, %s: %w", i+1, r.step, r.err))
		}
		fmt.Fprintf(d.opts.Out, "%2d  %s  %7s  %s\n", i+1, pad(r.step, 84), r.took.Round(time.Millisecond), verdict)
	}
	return failed
}

func (d *demo) stay() {
	a, to := d.gateway.Addresses(), d.devices[dsl].agent
	d.print.title("still running; Ctrl-C ends it")
	d.print.say("uspgate usp get --via ws://%s/usp --to %s Device.DeviceInfo.", a["ws"], to)
	d.print.say("uspgate usp get --via mqtt://%s --to %s 'Device.WiFi.SSID.*.SSID'", a["mqtt"], to)
}
