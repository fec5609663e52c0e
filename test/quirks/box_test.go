// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package quirks_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// models are the two data models.
var models = []string{"tr098-dsl", "tr181-wifi"}

// raw is the serial number of the CPE of a model, and the names that it has for
// what the tests write, with its word for false and the object in which Controllers
// see the date.
var raw = map[string]struct{ serial, ssid, enable, no, lease, date, dateOf string }{
	"tr098-dsl": {
		"1",
		"InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID",
		"InternetGatewayDevice.Time.Enable", "0",
		"InternetGatewayDevice.LANDevice.1.LANHostConfigManagement.DHCPLeaseTime",
		"InternetGatewayDevice.UserInterface.WarrantyDate", "Device.X_USPGATE_IGD.UserInterface.",
	},
	"tr181-wifi": {
		"2",
		"Device.WiFi.SSID.1.SSID",
		"Device.Time.Enable", "false",
		"Device.DHCPv4.Server.Pool.1.LeaseTime",
		"Device.UserInterface.WarrantyDate", "Device.UserInterface.",
	},
}

// box is one CPE with its Virtual Agent and a Controller of its own.
type box struct {
	*cpe.CPE

	t     *testing.T
	gw    *gateway
	model string
	agent usp.EndpointID
	ctl   *controller.Controller

	commands int // so far
	// Informs with 6 CONNECTION REQUEST, 0 BOOTSTRAP and 4 VALUE CHANGE.
	wakes, bootstraps, valueChanges atomic.Int32
}

// newBox runs a CPE, and waits until the ACS has answered an Inform and the
// session was over.
func newBox(t *testing.T, gw *gateway, model, class string, change func(*cpe.Options)) *box {
	t.Helper()
	o := cpe.Options{
		ACS: gw.ACS() + "/acs?a=b", Model: gw.models[model], ProductClass: class, Serial: raw[model].serial,
		RebootTime: 50 * time.Millisecond,
		RetryWait:  func(uint32) time.Duration { return 20 * time.Millisecond }, Log: harness.Log(t),
	}
	b := &box{t: t, gw: gw, model: model}
	o.OnInform = b.informed
	if change != nil {
		change(&o)
	}
	c, err := cpe.New(o)
	if err != nil {
		t.Fatal(err)
	}
	b.CPE, b.agent = c, agent.EndpointIDFor(c.Identity())
	b.ctl = gw.Controller(gw.WS(), usp.EndpointID("self::"+model+"-"+class))
	harness.Background(t, "cpe "+class, c.Run)
	b.session()
	return b
}

// informed counts what the ACS was told.
func (b *box) informed(in *cwmp.Inform) {
	for code, n := range map[string]*atomic.Int32{
		cwmp.EventConnectionRequest: &b.wakes, cwmp.EventBootstrap: &b.bootstraps, cwmp.EventValueChange: &b.valueChanges,
	} {
		if in.HasEvent(code) {
			n.Add(1)
		}
	}
}

// eventually waits for something that must happen.
func (b *box) eventually(what string, f func() bool) {
	b.t.Helper()
	deadline, tick := time.After(harness.Timeout), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline:
			b.t.Fatalf("no %s", what)
		}
	}
}

// session waits for the end of a regular session.
func (b *box) session() {
	b.t.Helper()
	var last error
	deadline := time.After(harness.Timeout)
	for {
		select {
		case s := <-b.Sessions():
			if last = s.Err; last == nil {
				return
			}
		case <-deadline:
			b.t.Fatalf("no regular session, the last ended with %v", last)
		}
	}
}

func (b *box) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), harness.Timeout)
	b.t.Cleanup(cancel)
	return ctx
}

// get reads paths; it fails the test where the Agent says no.
func (b *box) get(paths ...string) map[string]string {
	b.t.Helper()
	out, err := b.tryGet(paths...)
	if err != nil {
		b.t.Fatalf("Get %q: %v", paths, err)
	}
	return out
}

func (b *box) tryGet(paths ...string) (map[string]string, error) {
	resp, err := b.ctl.Get(b.ctx(), b.agent, 0, paths...)
	if err != nil {
		return nil, err
	}
	for _, r := range resp.GetReqPathResults() {
		if r.GetErrCode() != 0 {
			return nil, fmt.Errorf("%s: %d %s", r.GetRequestedPath(), r.GetErrCode(), r.GetErrMsg())
		}
	}
	return controller.Params(resp), nil
}

// set writes one parameter of an object.
func (b *box) set(object, name, value string) error {
	resp, err := b.ctl.Set(b.ctx(), b.agent, false, controller.Update(object, map[string]string{name: value}))
	if err != nil {
		return err
	}
	for _, r := range resp.GetUpdatedObjResults() {
		if f := r.GetOperStatus().GetOperFailure(); f != nil {
			return fmt.Errorf("%s: %d %s", r.GetRequestedPath(), f.GetErrCode(), f.GetErrMsg())
		}
	}
	return nil
}

// want compares a parameter as the Controller reads it.
func (b *box) want(path, want string) {
	b.t.Helper()
	if got := b.get(path)[path]; got != want {
		b.t.Errorf("%s: got %q, want %q", path, got, want)
	}
}

// inCPE compares a parameter as the CPE has it.
func (b *box) inCPE(name, want string) {
	b.t.Helper()
	if got, _ := b.Value(name); got != want {
		b.t.Errorf("%s in the CPE: got %q, want %q", name, got, want)
	}
}

// everything is what a Controller can read of the CPE.
func (b *box) everything() map[string]string {
	b.t.Helper()
	all := b.get("Device.")
	maps.DeleteFunc(all, func(path, _ string) bool { return strings.HasPrefix(path, "Device.LocalAgent.") })
	return all
}

// add makes a row of a table, and returns its path.
func (b *box) add(table string, params map[string]string) string {
	b.t.Helper()
	resp, err := b.ctl.Add(b.ctx(), b.agent, false, controller.Create(table, params))
	if err != nil {
		b.t.Fatalf("Add %s: %v", table, err)
	}
	if len(resp.GetCreatedObjResults()) != 1 {
		b.t.Fatalf("Add %s: got %v, want one row", table, resp)
	}
	res := resp.GetCreatedObjResults()[0].GetOperStatus()
	if f := res.GetOperFailure(); f != nil {
		b.t.Fatalf("Add %s: %d %s", table, f.GetErrCode(), f.GetErrMsg())
	}
	return res.GetOperSuccess().GetInstantiatedPath()
}

func (b *box) delete(row string) {
	b.t.Helper()
	resp, err := b.ctl.Delete(b.ctx(), b.agent, false, row)
	if err != nil {
		b.t.Fatalf("Delete %s: %v", row, err)
	}
	for _, r := range resp.GetDeletedObjResults() {
		if f := r.GetOperStatus().GetOperFailure(); f != nil {
			b.t.Fatalf("Delete %s: %d %s", row, f.GetErrCode(), f.GetErrMsg())
		}
	}
}

// rows lists the rows of a table.
func (b *box) rows(table string) []string {
	b.t.Helper()
	resp, err := b.ctl.GetInstances(b.ctx(), b.agent, true, table)
	if err != nil {
		b.t.Fatalf("GetInstances %s: %v", table, err)
	}
	var out []string
	for _, r := range resp.GetReqPathResults() {
		for _, i := range r.GetCurrInsts() {
			out = append(out, i.GetInstantiatedObjPath())
		}
	}
	return out
}

func (b *box) subscribe(id, kind, reference string) {
	b.t.Helper()
	_, err := b.ctl.Subscribe(b.ctx(), b.agent, controller.Subscription{
		ID: id, Type: kind, References: []string{reference},
	})
	if err != nil {
		b.t.Fatalf("Subscription %s: %v", id, err)
	}
}

// notified waits for a notification that is meant.
func (b *box) notified(what string, meant func(*uspmsg.Notify) bool) *uspmsg.Notify {
	b.t.Helper()
	deadline := time.After(harness.Timeout)
	for {
		select {
		case n := <-b.ctl.Notifies():
			if meant(n.Notify) {
				return n.Notify
			}
		case <-deadline:
			b.t.Fatalf("no %s", what)
		}
	}
}

// differences lists where got is not want, the first of them.
func differences(want, got map[string]string, except func(path string) bool) []string {
	var out []string
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if v, ok := got[path]; (!ok || v != want[path]) && !except(path) {
			out = append(out, fmt.Sprintf("%s: got %q (%t), want %q", path, v, ok, want[path]))
		}
	}
	return out[:min(len(out), 8)]
}
