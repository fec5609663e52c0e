// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"maps"
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// rebooted waits for the Boot! of a Subscription.
func (b *bench) rebooted(id, key string) {
	b.Helper()
	e := b.notified(b.first, id).GetEvent()
	if e.GetEventName() != "Boot!" || e.GetParams()["Cause"] != "RemoteReboot" || e.GetParams()["CommandKey"] != key {
		b.Errorf("got %v, want Boot! after a RemoteReboot with key %q", e, key)
	}
}

func case1_61(b *bench) {
	b.subscribe("op61", "Event", "Device.Boot!")
	r := b.operate("Device.Reboot()", "key61", nil)
	if args, ok := r.GetOperationResp().(*uspmsg.OperateResp_OperationResult_ReqOutputArgs); !ok ||
		len(args.ReqOutputArgs.GetOutputArgs()) > 0 {
		b.Errorf("got %v, want empty output arguments", r)
	}
	b.rebooted("op61", "key61")
}

func case1_62(b *bench) {
	b.subscribe("op62", "Event", "Device.Boot!")
	b.unanswered("Device.Reboot()", "key62", nil)
	b.rebooted("op62", "key62")
}

// unanswered runs a command with send_resp=false.
func (b *bench) unanswered(command, key string, args map[string]string) {
	b.Helper()
	_, err := b.with.Send(b.ctx(), b.cpe.Agent, &uspmsg.Request{ReqType: &uspmsg.Request_Operate{
		Operate: &uspmsg.Operate{Command: command, CommandKey: key, InputArgs: args},
	}})
	if err != nil {
		b.Fatal(err)
	}
}

// timer runs ScheduleTimer() for a second, and waits for its end.
func (b *bench) timer(id string, args map[string]string, start func(key string, args map[string]string)) {
	b.Helper()
	b.subscribe(id, "OperationComplete", "Device.ScheduleTimer()")
	all := map[string]string{"DelaySeconds": "1"}
	maps.Copy(all, args)
	start(id, all)
	o := b.notified(b.first, id).GetOperComplete()
	if o.GetCommandName() != "ScheduleTimer()" || o.GetObjPath() != "Device." || o.GetCommandKey() != id ||
		o.GetCmdFailure() != nil {
		b.Errorf("got %v, want the end of ScheduleTimer() with key %s", o, id)
	}
}

// accepted starts ScheduleTimer(), which has to give the row of its Request.
func (b *bench) accepted(key string, args map[string]string) {
	b.Helper()
	r := b.operate("Device.ScheduleTimer()", key, args)
	if !strings.HasPrefix(r.GetReqObjPath(), agentRoot+"Request.") || strings.HasSuffix(r.GetReqObjPath(), ".") {
		b.Errorf("got %v, want the path of a Request without the last dot", r)
	}
}

func case1_64(b *bench) { b.timer("op64", nil, b.accepted) }

func case1_65(b *bench) {
	b.timer("op65", nil, func(key string, args map[string]string) { b.unanswered("Device.ScheduleTimer()", key, args) })
}

func case1_79(b *bench) { b.timer("op79", nil, b.accepted) }

func case1_91(b *bench) { b.timer("op91", map[string]string{"InvalidArgument": "1"}, b.accepted) }

func case1_100(b *bench) {
	r := b.operate("Device.ScheduleTimer()", "op100", nil)
	if got := r.GetCmdFailure().GetErrCode(); got != uint32(usp.CodeInvalidCommandArgs) {
		b.Errorf("got %v, want err_code 7027", r)
	}
	b.nothing(agentRoot + "Request.")
}

func case9_11(b *bench) { b.timer("op911", nil, b.accepted) }

func case9_10(b *bench) {
	b.add(false, boot(self, "Device.LocalAgent.EndpointID"))
	b.subscribe("op910", "Event", "Device.Boot!")
	b.operate("Device.Reboot()", "key910", nil)
	got := b.notified(b.first, "op910").GetEvent().GetParams()["ParameterMap"]
	if want := `{"Device.LocalAgent.EndpointID":"` + string(b.cpe.Agent) + `"}`; got != want {
		b.Errorf("got ParameterMap %s, want %s", got, want)
	}
}
