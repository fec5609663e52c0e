// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/app"
	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/internal/state"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
)

// The arguments by which this program starts itself for the devices that sleep.
const (
	fillDevices  = "fill-devices"
	serveDevices = "serve-devices"
)

// devicesTarget is how many KB of 1024 bytes a device that sleeps may cost the whole
// process.
const devicesTarget = 3.0

// devices prints what registered devices cost a gateway that has started with them.
func devices(ctx context.Context, f *flags, out io.Writer) (err error) {
	if f.devices <= 0 || !f.only.MatchString("devices") {
		return nil
	}
	root, err := os.MkdirTemp("", "uspgate-devices-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	empty, full := filepath.Join(root, "none"), filepath.Join(root, "all")
	fmt.Fprintf(out, "\n%d registered devices that sleep\n", f.devices)
	if _, err := self(ctx, fillDevices, filepath.Join(full, "engine"), strconv.Itoa(f.devices)); err != nil {
		return err
	}
	var resident [2]float64
	for i, dir := range []string{empty, full} {
		said, err := self(ctx, serveDevices, dir)
		if err != nil {
			return err
		}
		var ready float64
		if _, err := fmt.Sscan(said, &resident[i], &ready); err != nil {
			return fmt.Errorf("%s said %q: %w", serveDevices, said, err)
		}
		fmt.Fprintf(out, "%-5s ready after %5.2f s, resident %7.1f MB\n", filepath.Base(dir), ready, resident[i]/(1<<20))
	}
	each, note := (resident[1]-resident[0])/1024/float64(f.devices), ""
	if each > devicesTarget {
		note = "  missed"
	}
	fmt.Fprintf(out, "each  %.2f KB, target %.1f%s\n", each, devicesTarget, note)
	return nil
}

// self runs this program as a process of its own and returns what it prints.
func self(ctx context.Context, args ...string) (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", err
	}
	var said, failed bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // G204: it is this program
	cmd.Stdout, cmd.Stderr = &said, &failed
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", args[0], err, failed.String())
	}
	return strings.TrimSpace(said.String()), nil
}

// absent is the way to a CPE that is not there.
type absent cwmp.DeviceID

func (a absent) Identity() cwmp.DeviceID { return cwmp.DeviceID(a) }
func (absent) Hold() (release func())    { return func() {} }
func (absent) Retire() bool              { return true }

func (absent) Call(context.Context, cwmp.Request) (cwmp.Response, error) {
	return nil, device.ErrNotSent
}

// fill makes n devices as a gateway that knows them leaves them behind.
func fill(ctx context.Context, dir string, n int) error {
	e, err := engine.Open(ctx, engine.Options{Dir: dir, Interval: time.Minute})
	if err != nil {
		return err
	}
	defer e.Close()
	st, err := state.Open(ctx, e.Store(), state.Options{})
	if err != nil {
		return err
	}
	rules, err := model.Load("")
	if err != nil {
		return err
	}
	host, err := agent.NewHost(agent.Options{
		Send: func(usp.Record) {}, Rules: rules, Keeper: st.Agents(), MaxAwake: 2000,
		Protocols: []string{"WebSocket", "MQTT"},
		Device:    func(id cwmp.DeviceID) (agent.Device, error) { return absent(id), nil },
	})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- host.Run(running) }()
	err = attachAll(host, st, n) //nolint:contextcheck // Attach takes none
	stop()
	return errors.Join(err, <-ended)
}

func attachAll(host *agent.Host, st *state.State, n int) error {
	const workers = 64
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				errs[w] = attachOne(host, st, i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func attachOne(host *agent.Host, st *state.State, i int) error {
	id := cwmp.DeviceID{
		Manufacturer: "Bench", OUI: "00D09E", ProductClass: "Sleeper", SerialNumber: fmt.Sprintf("S%010d", i),
	}
	a, err := host.Attach(absent(id))
	if err != nil {
		return err
	}
	in := &cwmp.Inform{DeviceID: id, Events: []cwmp.Event{{Code: cwmp.EventPeriodic}}, Params: []cwmp.ParameterValue{
		{Name: "InternetGatewayDevice.DeviceInfo.SoftwareVersion", Value: "1.0"},
		{Name: "InternetGatewayDevice.DeviceInfo.HardwareVersion", Value: "A"},
		{Name: "InternetGatewayDevice.ManagementServer.ParameterKey", Value: "uspgate"},
	}}
	a.Inform(in)
	a.SessionEnded(nil)
	return st.Devices().Save(device.Known{
		Identity: id, ConnectionRequestURL: fmt.Sprintf("http://10.%d.%d.%d:7547/cr", i>>16&255, i>>8&255, i&255),
		ParameterKey: "uspgate", Login: device.Login{Username: "u", Password: "p"}, LoginSet: true,
	})
}

// serve starts a gateway on a data_dir and prints its resident bytes and how many
// seconds it took to be ready.
func serve(ctx context.Context, dir string, out io.Writer) error {
	cfg, err := config.Parse("bench.yaml", []byte("{}"), []string{
		"USPGATE_MTP__0__LISTEN=127.0.0.1:0", "USPGATE_MTP__1__LISTEN=127.0.0.1:0", "USPGATE_CWMP__LISTEN=127.0.0.1:0",
		"USPGATE_METRICS__LISTEN=127.0.0.1:0", "USPGATE_ADMIN__LISTEN=127.0.0.1:0", "USPGATE_DATA_DIR=" + dir,
	})
	if err != nil {
		return err
	}
	began := time.Now()
	gw, err := app.New(ctx, app.Options{Config: cfg, Version: "bench"})
	if err != nil {
		return err
	}
	if err := gw.Listen(ctx); err != nil {
		return errors.Join(err, gw.Close())
	}
	ready := time.Since(began)
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- gw.Run(running) }()
	select {
	case <-time.After(settle):
	case <-ctx.Done():
	}
	debug.FreeOSMemory()
	resident, err := residentBytes()
	if err == nil {
		fmt.Fprintln(out, resident, ready.Seconds())
	}
	stop()
	return errors.Join(err, <-ended)
}

// settle is how long a gateway has been at rest when its memory is read.
const settle = 5 * time.Second

// residentBytes is what /proc says of this process.
func residentBytes() (int, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	var total, pages int
	if _, err := fmt.Sscan(string(text), &total, &pages); err != nil {
		return 0, err
	}
	return pages * os.Getpagesize(), nil
}
