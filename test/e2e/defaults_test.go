// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// cohorts is a gateway as a process, in whose configuration are defaults.
type cohorts struct {
	t       *testing.T
	program string
	gw      *harness.Process
	addr    string // of WebSocket
	// retry is how long a Controller waits before it comes again; 0: as usual, so that of two
	// with one name the newer one stays.
	retry time.Duration
}

func newCohorts(t *testing.T, defaults string) *cohorts {
	t.Helper()
	c := &cohorts{t: t, program: program(t), addr: harness.FreeAddr(t)}
	c.gw = harness.NewProcess(t, c.program, "", "mtp: [{name: ws, type: websocket, listen: \""+c.addr+"\"}]\n"+defaults)
	c.gw.Start()
	return c
}

// controller connects a Controller.
func (c *cohorts) controller(id usp.EndpointID) *controller.Controller {
	c.t.Helper()
	tr, err := ws.NewClient(ws.ClientOptions{
		URL: "ws://" + c.addr + "/usp", Endpoint: id, Role: usp.RoleAgent, Shared: true,
		Retry: mtp.BackoffOptions{Interval: c.retry, Max: 2 * c.retry},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	k, err := controller.New(controller.Options{Endpoint: id, Transport: tr, Log: harness.Log(c.t)})
	if err != nil {
		c.t.Fatal(err)
	}
	harness.Background(c.t, string(id), k.Run)
	return k
}

// cpe runs a CPE until its first session is over.
func (c *cohorts) cpe(model, serial string) harness.CPE {
	c.t.Helper()
	m, err := cpe.LoadBuiltin(model)
	if err != nil {
		c.t.Fatal(err)
	}
	box, err := cpe.New(cpe.Options{ACS: "http://" + c.gw.CWMP, Model: m, Serial: serial, Log: harness.Log(c.t)})
	if err != nil {
		c.t.Fatal(err)
	}
	harness.Background(c.t, model, box.Run)
	c.session(box)
	return harness.CPE{CPE: box, Agent: agent.EndpointIDFor(box.Identity())}
}

func (c *cohorts) session(box *cpe.CPE) {
	c.t.Helper()
	select {
	case s := <-box.Sessions():
		if s.Err != nil {
			c.t.Fatalf("session: %v", s.Err)
		}
	case <-deadline(c.t).Done():
		c.t.Fatal("got no session")
	}
}

// boots returns the Subscriptions by which k has heard of boots of an Agent until now:
// what it asks last is answered after them.
func boots(t *testing.T, k *controller.Controller, of usp.EndpointID) []string {
	t.Helper()
	getOne(t, k, of, "Device.LocalAgent.EndpointID")
	var list []string
	for {
		select {
		case n := <-k.Notifies():
			if n.From == of && n.GetEvent().GetEventName() == "Boot!" {
				list = append(list, n.GetSubscriptionId())
			}
			continue
		default:
		}
		return list
	}
}

func subscriptionsOf(t *testing.T, k *controller.Controller, of usp.EndpointID) []string {
	t.Helper()
	resp, err := k.Get(deadline(t), of, 0, "Device.LocalAgent.Subscription.*.ID")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, id := range controller.Params(resp) {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// A CPE of a cohort boots: its Controller hears of it and has never subscribed. It does
// not of another's; and what it has deleted is not given again after a restart.
func TestDefaultsOfACohort(t *testing.T) {
	t.Parallel()
	c := newCohorts(t, `
controllers: [{endpoint_id: "self::noc"}, {endpoint_id: "self::dsl"}]
translate:
  defaults:
    - name: everybody
      controllers: [{endpoint_id: "self::noc"}]
    - name: dsl
      select: {oui: 00D09E, product_class: DSL*}
      controllers: [{endpoint_id: "self::dsl"}, {endpoint_id: "self::noc"}]
      subscriptions:
        - {id: boots, recipient: "self::dsl", notif_type: Event, reference_list: [Device.Boot!]}
        - {id: names, recipient: "self::dsl", notif_type: ValueChange, reference_list: [Device.WiFi.SSID.*.SSID]}
`)
	noc, dsl := c.controller("self::noc"), c.controller("self::dsl")
	box, other := c.cpe("tr098-dsl", "1"), c.cpe("tr181-wifi", "1")
	if err := dsl.Await(deadline(t), box.Agent); err != nil {
		t.Errorf("got %v, want a Connect Record of the DSL router", err)
	}
	if got := boots(t, dsl, box.Agent); !slices.Equal(got, []string{"boots"}) {
		t.Errorf("got boots %v, want one by the Subscription boots", got)
	}
	if got := subscriptionsOf(t, noc, box.Agent); !slices.Equal(got, []string{"boots", "names"}) {
		t.Errorf("got Subscriptions %v, want boots and names", got)
	}
	if got := subscriptionsOf(t, noc, other.Agent); len(got) != 0 {
		t.Errorf("got Subscriptions %v of a CPE of no cohort, want none", got)
	}
	if _, err := dsl.Get(deadline(t), other.Agent, 0, "Device."); errorCode(err) != usp.CodePermissionDenied {
		t.Errorf("got %v of a CPE that is not its own, want 7006", err)
	}
	if err := box.SetValue(rawSSID["tr098-dsl"], "elsewhere"); err != nil {
		t.Fatal(err)
	}
	c.session(box.CPE)
	harness.Eventually(t, func() error {
		select {
		case n := <-dsl.Notifies():
			if n.GetSubscriptionId() == "names" && n.GetValueChange().GetParamValue() == "elsewhere" {
				return nil
			}
		default:
		}
		return errors.New("the new SSID was not told")
	})
	out, err := c.gw.Ask("devices", "show", string(box.Agent))
	if err != nil || !strings.Contains(out, "dsl        true  2 of 2") {
		t.Errorf("got %v, %s, want the defaults dsl, given", err, out)
	}

	if _, err := dsl.Delete(deadline(t), box.Agent, false, "Device.LocalAgent.Subscription.1."); err != nil {
		t.Fatal(err)
	}
	c.gw.Kill()
	c.gw.Start()
	box.Raise(cwmp.Event{Code: cwmp.EventBoot})
	c.session(box.CPE)
	if got := subscriptionsOf(t, dsl, box.Agent); !slices.Equal(got, []string{"names"}) {
		t.Errorf("got Subscriptions %v after the restart, want names alone", got)
	}
	if got := boots(t, dsl, box.Agent); len(got) != 0 {
		t.Errorf("got boots %v after the restart, want none: it has deleted the Subscription", got)
	}
}

// A CPE with another firmware is of another cohort, and managed by another Controller;
// also one that comes for the first time.
func TestDefaultsFollowTheFirmware(t *testing.T) {
	t.Parallel()
	c := newCohorts(t, `
controllers: [{endpoint_id: "self::old"}, {endpoint_id: "self::new"}, {endpoint_id: "self::lab"}]
translate:
  defaults:
    - {name: old, controllers: [{endpoint_id: "self::old"}]}
    - name: new
      select: {software_version: "9.*"}
      controllers: [{endpoint_id: "self::new", role: Viewer}]
      roles: [{name: Viewer, permissions: [{targets: [Device.], param: r--n, obj: r--n, command_event: r--n}]}]
      apply: missing
      subscriptions:
        - {id: boots, recipient: "self::new", notif_type: Event, reference_list: [Device.Boot!]}
    - {name: lab, select: {tag: lab}, controllers: [{endpoint_id: "self::lab"}]}
`)
	before, after, lab := c.controller("self::old"), c.controller("self::new"), c.controller("self::lab")
	box := c.cpe("tr098-dsl", "1")
	if err := before.Await(deadline(t), box.Agent); err != nil {
		t.Fatal(err)
	}
	const param = "Device.DeviceInfo.SoftwareVersion"
	getOne(t, before, box.Agent, param)
	if _, err := after.Get(deadline(t), box.Agent, 0, param); errorCode(err) != usp.CodePermissionDenied {
		t.Errorf("got %v before the upgrade, want 7006", err)
	}
	if err := box.SetValue("InternetGatewayDevice.DeviceInfo.SoftwareVersion", "9.1"); err != nil {
		t.Fatal(err)
	}
	c.session(box.CPE) // SoftwareVersion is told when it changes
	box.Raise(cwmp.Event{Code: cwmp.EventBoot})
	c.session(box.CPE)
	if err := after.Await(deadline(t), box.Agent); err != nil {
		t.Error(err)
	}
	if got := boots(t, after, box.Agent); !slices.Equal(got, []string{"boots"}) {
		t.Errorf("got boots %v after the upgrade, want one by the Subscription boots", got)
	}
	if _, err := before.Get(deadline(t), box.Agent, 0, param); errorCode(err) != usp.CodePermissionDenied {
		t.Errorf("got %v after the upgrade, want 7006", err)
	}
	set := controller.Update("Device.DeviceInfo.", map[string]string{"ProvisioningCode": "x"})
	if _, err := after.Set(deadline(t), box.Agent, false, set); errorCode(err) != usp.CodePermissionDenied {
		t.Errorf("got %v of the role Viewer, want 7006", err)
	}

	// By a tag of the inventory, and over a restart: while the CPE is asleep its Agent is
	// shown to whom it belongs.
	v := verb{t: t, program: c.program, gw: c.gw}
	v.importFile(0, "oui,product_class,serial,tags\n02AB5D,GX400,1,lab\n", "1 added")
	ont := c.cpe("tr098-gpon", "1")
	if err := lab.Await(deadline(t), ont.Agent); err != nil {
		t.Fatal(err)
	}
	ont.Off()
	c.gw.Kill()
	c.gw.Start()
	again := c.controller("self::lab")
	if err := again.Await(deadline(t), ont.Agent); err != nil {
		t.Error(err)
	}
	getOne(t, again, ont.Agent, "Device.LocalAgent.EndpointID")
	if _, err := before.Get(deadline(t), ont.Agent, 0, param); errorCode(err) != usp.CodePermissionDenied {
		t.Errorf("got %v of a CPE of the lab, want 7006", err)
	}
}
