// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"maps"
	"strings"
	"time"

	"github.com/uspgate/uspgate/internal/pki/pkitest"
	"github.com/uspgate/uspgate/internal/sim/controller"
)

// onBoarding sets a parameter of the first Controller, and sets it back after the case.
func (b *bench) onBoarding(name, value, before string) {
	b.Helper()
	b.set(false, controller.Update(self, map[string]string{name: value}))
	b.Cleanup(func() {
		ctx, cancel := contextFor()
		defer cancel()
		back := controller.Update(self, map[string]string{name: before})
		if _, err := b.first.Set(ctx, b.cpe.Agent, false, back); err != nil {
			b.Errorf("setting %s back: %v", name, err)
		}
	})
}

// onBoarded waits for an OnBoardRequest, which has to be about the CPE.
func (b *bench) onBoarded(c *controller.Controller) time.Time {
	b.Helper()
	n := b.notified(c, "")
	who := b.cpe.Identity()
	r := n.GetOnBoardReq()
	if r == nil || !n.GetSendResp() || r.GetOui() != who.OUI || r.GetProductClass() != who.ProductClass ||
		r.GetSerialNumber() != who.SerialNumber || r.GetAgentSupportedProtocolVersions() == "" {
		b.Fatalf("got %v, want an OnBoardRequest about %s with send_resp", n.Notify, who)
	}
	return time.Now()
}

// Where the plan restarts the Agent, the CPE is: the Agent starts when it does.
func case1_101(b *bench) {
	b.onBoarding("OnBoardingComplete", "false", "false")
	b.subscribe("on1101", "Event", "Device.Boot!")
	b.operate("Device.Reboot()", "key1101", nil)
	b.rebooted("on1101", "key1101") // whatever came before it was of another start
	b.onBoarded(b.first)
}

func case1_102(b *bench) {
	b.onBoarding("OnBoardingRestartTime", "2", "0")
	b.operate(self+"SendOnBoardRequest()", "", nil)
	begin := b.onBoarded(b.first)
	if d := b.onBoarded(b.first).Sub(begin); d < time.Second || d > 4*time.Second {
		b.Errorf("got the second one after %s, want OnBoardingRestartTime", d)
	}
}

func case1_103(b *bench) {
	b.onBoarding("OnBoardingRestartTime", "0", "0")
	b.operate(self+"SendOnBoardRequest()", "", nil)
	b.onBoarded(b.first)
	quiet := time.After(4 * time.Second) // twice what 1.102 waits for
	for {
		select {
		case n := <-b.first.Notifies():
			if n.GetOnBoardReq() != nil {
				b.Fatal("got a second OnBoardRequest, want none")
			}
		case <-quiet:
			return
		}
	}
}

// withController adds a row for a Controller with full access, and returns it.
func (b *bench) withController(id string, more map[string]string) string {
	b.Helper()
	params := map[string]string{"EndpointID": id, "Enable": "true", "AssignedRole": roles + "1"}
	maps.Copy(params, more)
	return b.add(false, controller.Create(controllers, params))[0]
}

func case1_78(b *bench) {
	row := b.withController("self::tp469-78", nil)
	c := b.gateway.Controller(b.gateway.WS(), "self::tp469-78")
	resp, err := c.Add(b.ctx(), b.cpe.Agent, false, subscription("orphan78", "ValueChange", self+"ProvisioningCode"))
	if err != nil {
		b.Fatal(err)
	}
	orphan := resp.GetCreatedObjResults()[0].GetOperStatus().GetOperSuccess().GetInstantiatedPath()
	b.exist(true, orphan)
	b.remove(false, row)
	b.exist(false, row, orphan)
}

func case9_9(b *bench) {
	const id = "self::tp469-99"
	c := b.gateway.Controller(b.gateway.WS(), id)
	row := b.withController(id, map[string]string{"Enable": "false"})
	b.add(false, controller.Create(row+"MTP.", map[string]string{"Protocol": "WebSocket", "Enable": "true"}))
	b.set(false, controller.Update(row, map[string]string{"Enable": "true"}))
	b.onBoarded(c)
}

// The certificate can be given to a Controller. That it is heard with it alone needs TLS, and
// is shown in test/e2e.
func case9_2(b *bench) {
	const table = agentRoot + "Certificate."
	ca := pkitest.NewAuthority(b, "TP-469 9.2")
	r := b.operate(agentRoot+"AddCertificate()", "", map[string]string{
		"Alias": "tp469-92", "Certificate": string(pkitest.PEM("CERTIFICATE", ca.Cert.Raw)),
	})
	if f := r.GetCmdFailure(); f != nil {
		b.Fatalf("got %v, want success", f)
	}
	found := b.values(table + `[Alias=="tp469-92"].Issuer`)
	if len(found) != 1 {
		b.Fatalf("got %v, want one certificate", found)
	}
	for path, issuer := range found {
		row := strings.TrimSuffix(path, "Issuer")
		if issuer != ca.Cert.Issuer.String() {
			b.Errorf("got Issuer %q, want %q", issuer, ca.Cert.Issuer)
		}
		ref := strings.TrimSuffix(row, ".")
		c := b.withController("self::tp469-92", map[string]string{"Credential": ref})
		if got := b.value(c + "Credential"); got != ref {
			b.Errorf("got Credential %q, want %q", got, ref)
		}
		b.remove(false, c)
		if f := b.operate(row+"Delete()", "", nil).GetCmdFailure(); f != nil {
			b.Errorf("got %v, want the certificate gone", f)
		}
	}
}
