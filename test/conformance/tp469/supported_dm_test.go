// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"slices"
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

type supported = uspmsg.GetSupportedDMResp_SupportedObjectResult

// supportedDM asks with every flag, and returns the objects of each path.
func (b *bench) supportedDM(firstLevel, flags bool, paths ...string) []map[string]*supported {
	b.Helper()
	resp, err := b.with.GetSupportedDM(b.ctx(), b.cpe.Agent, &uspmsg.GetSupportedDM{
		ObjPaths: paths, FirstLevelOnly: firstLevel,
		ReturnCommands: flags, ReturnEvents: flags, ReturnParams: flags, ReturnUniqueKeySets: flags,
	})
	if err != nil {
		b.Fatal(err)
	}
	if len(resp.GetReqObjResults()) != len(paths) {
		b.Fatalf("got %d results, want one for each of %v", len(resp.GetReqObjResults()), paths)
	}
	var out []map[string]*supported
	for _, r := range resp.GetReqObjResults() {
		if r.GetErrCode() != 0 {
			b.Errorf("%s: got err_code %d, want 0", r.GetReqObjPath(), r.GetErrCode())
		}
		objects := make(map[string]*supported)
		for _, o := range r.GetSupportedObjs() {
			objects[o.GetSupportedObjPath()] = o
		}
		out = append(out, objects)
	}
	return out
}

func params(o *supported) []string {
	var out []string
	for _, p := range o.GetSupportedParams() {
		out = append(out, p.GetParamName())
	}
	return out
}

// command is one of an object.
func (b *bench) command(o *supported, name string) *uspmsg.GetSupportedDMResp_SupportedCommandResult {
	b.Helper()
	for _, c := range o.GetSupportedCommands() {
		if c.GetCommandName() == name {
			return c
		}
	}
	b.Fatalf("got %v, want %s among them", o.GetSupportedCommands(), name)
	return nil
}

// event is one of an object.
func (b *bench) event(o *supported, name string) *uspmsg.GetSupportedDMResp_SupportedEventResult {
	b.Helper()
	for _, e := range o.GetSupportedEvents() {
		if e.GetEventName() == name {
			return e
		}
	}
	b.Fatalf("got %v, want %s among them", o.GetSupportedEvents(), name)
	return nil
}

func case1_72(b *bench) {
	objects := b.supportedDM(false, true, agentRoot)[0]
	b.event(objects[agentRoot], "Periodic!")
	b.command(objects[controllers+"{i}."], "SendOnBoardRequest()")
	if got := params(objects[subscriptions+"{i}."]); !slices.Contains(got, "ReferenceList") {
		b.Errorf("got %v, want ReferenceList among them", got)
	}
	if len(objects[subscriptions+"{i}."].GetUniqueKeySets()) == 0 {
		b.Error("got no unique keys of Subscriptions")
	}
	for p := range objects {
		if !strings.HasPrefix(p, agentRoot) {
			b.Errorf("got %s, want nothing outside of %s", p, agentRoot)
		}
	}
}

func case1_73(b *bench) {
	objects := b.supportedDM(true, true, agentRoot)[0]
	if len(params(objects[agentRoot])) == 0 {
		b.Error("got no parameters of the object")
	}
	for p, o := range objects {
		if p == agentRoot {
			continue
		}
		if len(o.GetSupportedParams())+len(o.GetSupportedCommands())+len(o.GetSupportedEvents()) > 0 {
			b.Errorf("got %v, want no members of %s", o, p)
		}
		below := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(p, agentRoot), "{i}."), ".")
		if strings.Contains(below, ".") {
			b.Errorf("got %s, want children only", p)
		}
	}
}

func case1_74(b *bench) {
	for p, o := range b.supportedDM(true, false, agentRoot)[0] {
		members := len(o.GetSupportedParams()) + len(o.GetSupportedCommands()) + len(o.GetSupportedEvents())
		if members+len(o.GetUniqueKeySets()) > 0 {
			b.Errorf("got %v, want no members of %s", o, p)
		}
	}
}

func case1_75(b *bench) {
	both := b.supportedDM(false, true, controllers+"{i}.", subscriptions+"{i}.")
	for i, p := range []string{controllers + "{i}.", subscriptions + "{i}."} {
		if len(params(both[i][p])) == 0 {
			b.Errorf("got no parameters of %s", p)
		}
	}
}

func case1_76(b *bench) {
	objects := b.supportedDM(false, true, "Device.")[0]
	b.event(objects["Device."], "Boot!")
	o := objects[subscriptions+"{i}."]
	if o.GetAccess() != uspmsg.GetSupportedDMResp_OBJ_ADD_DELETE || !o.GetIsMultiInstance() {
		b.Errorf("got %v, want a table whose rows can be added and deleted", o)
	}
	for _, p := range o.GetSupportedParams() {
		if p.GetParamName() == "TimeToLive" && (p.GetAccess() != uspmsg.GetSupportedDMResp_PARAM_READ_WRITE ||
			p.GetValueType() != uspmsg.GetSupportedDMResp_PARAM_UNSIGNED_INT ||
			p.GetValueChange() != uspmsg.GetSupportedDMResp_VALUE_CHANGE_ALLOWED) {
			b.Errorf("got %v, want a writable unsignedInt whose changes are told", p)
		}
	}
	if len(params(objects["Device.DeviceInfo."])) == 0 || objects["Device.WiFi.SSID.{i}."] == nil {
		b.Error("got no objects of the CPE")
	}
}

func case1_77(b *bench) {
	resp, err := b.with.GetSupportedDM(b.ctx(), b.cpe.Agent, &uspmsg.GetSupportedDM{ObjPaths: []string{noObject}})
	if err != nil {
		b.Fatal(err)
	}
	if r := resp.GetReqObjResults(); len(r) != 1 || r[0].GetErrCode() != uint32(usp.CodeInvalidPath) {
		b.Errorf("got %v, want one result with err_code 7026", r)
	}
}

func case1_80(b *bench) {
	versions, err := b.with.GetSupportedProtocol(b.ctx(), b.cpe.Agent)
	if err != nil {
		b.Fatal(err)
	}
	if !slices.Contains(strings.Split(versions, ","), "1.4") {
		b.Errorf("got %q, want a list with 1.4", versions)
	}
}

func case1_97(b *bench) {
	c := b.command(b.supportedDM(false, true, "Device.")[0]["Device."], "ScheduleTimer()")
	b.equal("input", c.GetInputArgNames(), "DelaySeconds")
	if c.GetCommandType() != uspmsg.GetSupportedDMResp_CMD_ASYNC {
		b.Errorf("got %s, want CMD_ASYNC", c.GetCommandType())
	}
}

func case1_98(b *bench) {
	e := b.event(b.supportedDM(false, true, "Device.")[0]["Device."], "Boot!")
	b.equal("arguments", e.GetArgNames(), "CommandKey", "Cause", "Reason", "FirmwareUpdated", "ParameterMap")
}

func case1_99(b *bench) {
	var sets []string
	for _, k := range b.supportedDM(true, true, subscriptions+"{i}.")[0][subscriptions+"{i}."].GetUniqueKeySets() {
		sets = append(sets, strings.Join(slices.Sorted(slices.Values(k.GetKeyNames())), ","))
	}
	b.equal("keys", sets, "Alias", "ID,Recipient")
}

// element asks for one command, event or parameter, and returns the only object with it.
func (b *bench) element(path, object string) *supported {
	b.Helper()
	objects := b.supportedDM(false, false, path)[0]
	if len(objects) != 1 || objects[object] == nil {
		b.Fatalf("got %v, want %s only", objects, object)
	}
	return objects[object]
}

func case1_105(b *bench) {
	o := b.element("Device.Reboot()", "Device.")
	b.command(o, "Reboot()")
	if len(o.GetSupportedCommands()) != 1 || len(o.GetSupportedParams())+len(o.GetSupportedEvents()) > 0 {
		b.Errorf("got %v, want Reboot() only", o)
	}
}

func case1_106(b *bench) {
	o := b.element("Device.Boot!", "Device.")
	b.event(o, "Boot!")
	if len(o.GetSupportedEvents()) != 1 || len(o.GetSupportedParams())+len(o.GetSupportedCommands()) > 0 {
		b.Errorf("got %v, want Boot! only", o)
	}
}

func case1_107(b *bench) {
	o := b.element(subscriptions+"{i}.ReferenceList", subscriptions+"{i}.")
	b.equal("parameters", params(o), "ReferenceList")
	if len(o.GetSupportedEvents())+len(o.GetSupportedCommands()) > 0 {
		b.Errorf("got %v, want ReferenceList only", o)
	}
}
