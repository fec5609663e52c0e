// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"strings"

	"github.com/uspgate/uspgate/internal/sim/controller"
)

// provision changes what most Subscriptions are about.
func (b *bench) provision(code string) {
	b.Helper()
	b.set(false, controller.Update(self, map[string]string{"ProvisioningCode": code}))
}

func case1_52(b *bench) {
	b.subscribe("not52", "ValueChange", self+"ProvisioningCode")
	b.provision("52")
	v := b.notified(b.first, "not52").GetValueChange()
	if v.GetParamPath() != self+"ProvisioningCode" || v.GetParamValue() != "52" {
		b.Errorf("got %v, want ProvisioningCode 52", v)
	}
}

func case1_53(b *bench) {
	row := b.subscribe("not53", "ValueChange", self+"ProvisioningCode")
	b.subscribe("not53-stays", "ValueChange", self+"ProvisioningCode")
	b.remove(false, row)
	b.provision("53")
	b.silent(b.first, "not53", "not53-stays")
}

func case1_57(b *bench) {
	b.subscribe("not57", "ObjectCreation", self+"BootParameter.")
	row := b.add(false, boot(self, "Device.LocalAgent.EndpointID"))[0]
	c := b.notified(b.first, "not57").GetObjCreation()
	if c.GetObjPath() != row || c.GetUniqueKeys()["ParameterName"] != "Device.LocalAgent.EndpointID" {
		b.Errorf("got %v, want %s with its keys", c, row)
	}
}

func case1_58(b *bench) {
	row := b.add(false, boot(self, "Device.LocalAgent.EndpointID"))[0]
	b.subscribe("not58", "ObjectDeletion", row)
	b.remove(false, row)
	if got := b.notified(b.first, "not58").GetObjDeletion().GetObjPath(); got != row {
		b.Errorf("got %s, want %s", got, row)
	}
}

func case1_60(b *bench) {
	b.with = b.second // whom the request is sent to
	if r := b.operate(controllers+"2.SendOnBoardRequest()", "", nil); r.GetCmdFailure() != nil {
		b.Fatalf("got %v, want success", r)
	}
	o := b.notified(b.second, "").GetOnBoardReq()
	id := b.cpe.Identity()
	if o.GetOui() != id.OUI || o.GetProductClass() != id.ProductClass || o.GetSerialNumber() != id.SerialNumber ||
		!strings.Contains(o.GetAgentSupportedProtocolVersions(), "1.4") {
		b.Errorf("got %v, want the identity %v and the versions", o, id)
	}
}

func case1_84(b *bench) {
	b.subscribe("not84", "ValueChange", controllers+`[EndpointID=="`+string(first)+`"].ProvisioningCode`)
	b.provision("84")
	if got := b.notified(b.first, "not84").GetValueChange().GetParamPath(); got != self+"ProvisioningCode" {
		b.Errorf("got %s, want %sProvisioningCode", got, self)
	}
}
