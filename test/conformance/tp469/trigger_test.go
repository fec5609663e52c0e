// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import "maps"

// triggered makes a Subscription to Boot! that sets ProvisioningCode, one that tells of
// what it sets, and reboots.
func (b *bench) triggered(id, action string) {
	b.Helper()
	b.provision("before")
	b.subscribe(id, "Event", "Device.Boot!", "TriggerAction", action,
		"TriggerConfigSettings", self+`ProvisioningCode="`+id+`"`)
	b.subscribe(id+"-set", "ValueChange", self+"ProvisioningCode")
	b.operate("Device.Reboot()", id, nil)
}

func (b *bench) provisioned(want string) {
	b.Helper()
	if got := b.value(self + "ProvisioningCode"); got != want {
		b.Errorf("got ProvisioningCode %q, want %q", got, want)
	}
}

func case1_93(b *bench) {
	b.triggered("trigger93", "Config")
	b.silent(b.first, "trigger93", "trigger93-set")
	b.provisioned("trigger93")
}

func case1_94(b *bench) {
	b.triggered("trigger94", "NotifyAndConfig")
	if e := b.notified(b.first, "trigger94").GetEvent(); e.GetEventName() != "Boot!" {
		b.Errorf("got %v, want Boot!", e)
	}
	b.notified(b.first, "trigger94-set")
	b.provisioned("trigger94")
}

// What an argument was the last time is not what it is when it is not given: it has its
// default then.
func case1_92(b *bench) {
	b.ping("op92a", map[string]string{"DSCP": "46"})
	if got := b.dscp(); got != "46" {
		b.Errorf("got DSCP %s, want the one that was given", got)
	}
	b.ping("op92b", nil)
	if got := b.dscp(); got != "0" {
		b.Errorf("got DSCP %s when none is given, want 0", got)
	}
}

// ping runs IPPing() with what it has to be given, and more.
func (b *bench) ping(id string, more map[string]string) {
	b.Helper()
	const object, name = "Device.IP.Diagnostics.", "IPPing()"
	args := map[string]string{
		"Host": "127.0.0.1", "ProtocolVersion": "Any", "NumberOfRepetitions": "1", "Timeout": "1000", "DataBlockSize": "64",
	}
	maps.Copy(args, more)
	b.subscribe(id, "OperationComplete", object+name)
	if r := b.operate(object+name, id, args); r.GetReqObjPath() == "" {
		b.Fatalf("got %v, want the path of a Request", r)
	}
	o := b.notified(b.first, id).GetOperComplete()
	if out := o.GetReqOutputArgs().GetOutputArgs(); out["SuccessCount"] == "" || o.GetCommandKey() != id {
		b.Errorf("got %v, want the results of a ping", o)
	}
}

// dscp is what the CPE has pinged with.
func (b *bench) dscp() string {
	b.Helper()
	for _, name := range []string{"InternetGatewayDevice.IPPingDiagnostics.DSCP", "Device.IP.Diagnostics.IPPing.DSCP"} {
		if v, ok := b.cpe.Value(name); ok {
			return v
		}
	}
	b.Fatal("the CPE has no DSCP")
	return ""
}
