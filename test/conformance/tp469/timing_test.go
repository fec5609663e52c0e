// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"errors"
	"time"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// The cases about time have the shortest intervals that the data model allows, where
// the plan has the defaults.

// subscribedBy makes a Subscription of the third Controller, which answers nothing.
func (b *bench) subscribedBy(id string, more ...string) *peer {
	b.Helper()
	p := b.peerAs(third)
	resp := p.request(b, &uspmsg.Request{ReqType: &uspmsg.Request_Add{Add: &uspmsg.Add{
		CreateObjs: []*uspmsg.Add_CreateObject{subscription(id, "ValueChange", self+"ProvisioningCode", more...)},
	}}}).GetBody().GetResponse().GetAddResp()
	if len(resp.GetCreatedObjResults()) != 1 {
		b.Fatalf("got %v, want a Subscription", resp)
	}
	b.made = append(b.made, resp.GetCreatedObjResults()[0].GetOperStatus().GetOperSuccess().GetInstantiatedPath())
	b.set(false, controller.Update(controllers+`[EndpointID=="`+string(third)+`"].`,
		map[string]string{"USPNotifRetryMinimumWaitInterval": "1"}))
	return p
}

func notifies(id string) func(*uspmsg.Msg) bool {
	return func(m *uspmsg.Msg) bool { return m.GetBody().GetRequest().GetNotify().GetSubscriptionId() == id }
}

func case1_54(b *bench) {
	p := b.subscribedBy("not54", "NotifRetry", "true")
	b.provision("54")
	zero := p.next(b.T, notifies("not54"))
	one := p.next(b.T, notifies("not54"))
	two := p.next(b.T, notifies("not54"))
	const slack = 500 * time.Millisecond
	if d := one.at.Sub(zero.at); d < time.Second-slack || d > 2*time.Second+slack {
		b.Errorf("first retry: got after %s, want 1 to 2 s", d)
	}
	if d := two.at.Sub(one.at); d < 2*time.Second-slack || d > 4*time.Second+slack {
		b.Errorf("second retry: got after %s, want 2 to 4 s", d)
	}
	if !zero.msg.GetBody().GetRequest().GetNotify().GetSendResp() {
		b.Error("got send_resp=false, want true")
	}
}

func case1_55(b *bench) {
	row := b.subscribe("not55", "ValueChange", self+"ProvisioningCode", "TimeToLive", "1")
	harness.Eventually(b.T, func() error {
		if b.get(0, row).GetReqPathResults()[0].GetErrCode() == 0 {
			return errors.New("the Subscription is there")
		}
		return nil
	})
	b.subscribe("not55-stays", "ValueChange", self+"ProvisioningCode")
	b.provision("55")
	b.silent(b.first, "not55", "not55-stays")
}

func case1_56(b *bench) {
	p := b.subscribedBy("not56", "NotifRetry", "true", "NotifExpiration", "4")
	b.provision("56")
	begin := p.next(b.T, notifies("not56")).at
	quiet := time.After(9 * time.Second) // the third retry is due 7 to 14 s after the first Notify
	for {
		select {
		case h := <-p.got:
			if d := h.at.Sub(begin); notifies("not56")(h.msg) && d > 5*time.Second {
				b.Errorf("got a retry after %s, want none after 4 s", d)
			}
		case <-quiet:
			return
		}
	}
}

func case1_59(b *bench) {
	b.set(false, controller.Update(self, map[string]string{"PeriodicNotifInterval": "2"}))
	b.Cleanup(func() {
		ctx, cancel := contextFor()
		defer cancel()
		_, err := b.first.Set(ctx, b.cpe.Agent, false,
			controller.Update(self, map[string]string{"PeriodicNotifInterval": "86400"}))
		if err != nil {
			b.Error(err)
		}
	})
	b.subscribe("not59", "Event", agentRoot+"Periodic!")
	b.notified(b.first, "not59")
	begin := time.Now()
	n := b.notified(b.first, "not59")
	if d := time.Since(begin); d < time.Second || d > 3*time.Second {
		b.Errorf("got the next one after %s, want 2 s", d)
	}
	if e := n.GetEvent(); e.GetObjPath() != agentRoot || e.GetEventName() != "Periodic!" {
		b.Errorf("got %v, want %sPeriodic!", e, agentRoot)
	}
}
