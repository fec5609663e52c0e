// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/translate/agent"
)

// What a CPE says in an Inform wakes no Virtual Agent, if no Controller has asked to be
// told of it. It is known all the same to whoever asks next, also after a kill; and who
// has asked to be told is.
func TestInformThatNobodyListensTo(t *testing.T) {
	t.Parallel()
	const code = "DeviceInfo.ProvisioningCode"
	for model, root := range map[string]string{"tr098-dsl": "InternetGatewayDevice.", "tr181-wifi": "Device."} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			c := newCohorts(t, "translate: {idle: 500ms, freshness: 1h, deadline: 5s}\n")
			c.retry = 50 * time.Millisecond
			noc := c.controller("self::noc")
			box := c.persistent(model)
			onBoard := controller.Update("Device.LocalAgent.Controller.1.", map[string]string{"OnBoardingComplete": "true"})
			if _, err := noc.Set(deadline(t), box.Agent, false, onBoard); err != nil {
				t.Fatal(err)
			}
			inform := func(value string) {
				t.Helper()
				if old, _ := box.Value(root + code); old == value {
					box.Raise(cwmp.Event{Code: cwmp.EventPeriodic})
				} else if err := box.SetValue(root+code, value); err != nil { // it is reported at once
					t.Fatal(err)
				}
				c.served(box.CPE)
			}
			inform("one")
			c.asleep()
			inform("two")
			c.deferred(1)
			c.gw.Kill()
			c.gw.Start()
			inform("three")
			c.deferred(1) // of this process
			box.Off()
			if got := getOne(t, noc, box.Agent, "Device."+code); got != "three" {
				t.Errorf("got %q, want what the last Inform said", got)
			}
			box.On()
			c.served(box.CPE)
			_, err := noc.Subscribe(deadline(t), box.Agent, controller.Subscription{
				ID: "code", Type: "ValueChange", References: []string{"Device." + code},
			})
			if err != nil {
				t.Fatal(err)
			}
			inform("three")
			c.asleep()
			inform("four")
			for n := range noc.Notifies() {
				if n.GetSubscriptionId() == "code" {
					if got := n.GetValueChange().GetParamValue(); got != "four" {
						t.Errorf("got a Notify of %q, want four", got)
					}
					break
				}
			}
			c.deferred(1)
		})
	}
}

// persistent runs a CPE that comes again soon, until its first session is over.
func (c *cohorts) persistent(model string) harness.CPE {
	c.t.Helper()
	m, err := cpe.LoadBuiltin(model)
	if err != nil {
		c.t.Fatal(err)
	}
	box, err := cpe.New(cpe.Options{
		ACS: "http://" + c.gw.CWMP, Model: m, Serial: "1", PeriodicInterval: -1, Log: harness.Log(c.t),
		RetryWait: func(uint32) time.Duration { return 50 * time.Millisecond }, RebootTime: 50 * time.Millisecond,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	harness.Background(c.t, model, box.Run)
	c.session(box)
	return harness.CPE{CPE: box, Agent: agent.EndpointIDFor(box.Identity())}
}

// served waits for a session that has come to its end.
func (c *cohorts) served(box *cpe.CPE) {
	c.t.Helper()
	for {
		select {
		case s := <-box.Sessions():
			if s.Err == nil {
				return
			}
		case <-deadline(c.t).Done():
			c.t.Fatal("got no session")
		}
	}
}

// asleep waits until no Virtual Agent is in memory.
func (c *cohorts) asleep() {
	c.t.Helper()
	harness.Eventually(c.t, func() error {
		if n := c.gw.Metrics()["uspgate_translate_agents_awake"]; n != 0 {
			return fmt.Errorf("%v Agents are awake", n)
		}
		return nil
	})
}

// deferred wants so many Informs to have been put aside, and nobody woken.
func (c *cohorts) deferred(want float64) {
	c.t.Helper()
	m := c.gw.Metrics()
	if got := m["uspgate_device_informs_deferred_total"]; got != want {
		c.t.Errorf("got %v Informs put aside, want %v", got, want)
	}
	if got := m["uspgate_translate_agents_awake"]; want > 0 && got != 0 && m["uspgate_translate_agents_woken_total"] == 0 {
		c.t.Errorf("got %v Agents awake, want none", got)
	}
}
