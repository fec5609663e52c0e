// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// operate answers Operate; the only command is Device.Reboot().
func (a *Agent) operate(o *uspmsg.Operate) (answer *uspmsg.Msg, after []func()) {
	res := &uspmsg.OperateResp_OperationResult{ExecutedCommand: o.GetCommand()}
	if o.GetCommand() == "Device.Reboot()" {
		res.OperationResp = &uspmsg.OperateResp_OperationResult_ReqOutputArgs{
			ReqOutputArgs: &uspmsg.OperateResp_OperationResult_OutputArgs{},
		}
		after = append(after, func() { a.rebooted(o.GetCommandKey()) })
	} else { // [R-OPR.1]
		res.OperationResp = &uspmsg.OperateResp_OperationResult_CmdFailure{
			CmdFailure: &uspmsg.OperateResp_OperationResult_CommandFailure{
				ErrCode: uint32(usp.CodeInvalidPath), ErrMsg: "no such command",
			},
		}
	}
	if !o.GetSendResp() { // [R-OPR.4]
		return nil, after
	}
	return response(uspmsg.Header_OPERATE_RESP, &uspmsg.Response{RespType: &uspmsg.Response_OperateResp{
		OperateResp: &uspmsg.OperateResp{OperationResults: []*uspmsg.OperateResp_OperationResult{res}},
	}}), after
}

// rebooted does what a restart does to the tree and tells the subscribers. The
// Links stay up.
func (a *Agent) rebooted(commandKey string) {
	for _, row := range a.subscriptions("") {
		if v, _ := a.tree.Value(row + "Persistent"); v != "true" && v != "1" {
			a.tree.removeRow(row)
		}
	}
	a.event("Device.", "Boot!", map[string]string{
		"CommandKey": commandKey, "Cause": "RemoteReboot", "FirmwareUpdated": "false", "ParameterMap": "{}",
	})
}

// Event sends an event of an object to its subscribers.
func (a *Agent) Event(object, name string, params map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.event(object, name, params)
}

func (a *Agent) event(object, name string, params map[string]string) {
	for _, row := range a.subscriptions("Event") {
		if a.refers(row, object+name) {
			a.notify(row, &uspmsg.Notify{Notification: &uspmsg.Notify_Event_{
				Event: &uspmsg.Notify_Event{ObjPath: object, EventName: name, Params: params},
			}})
		}
	}
}

func (a *Agent) valueChanged(param, value string) {
	for _, row := range a.subscriptions("ValueChange") {
		if a.refers(row, param) {
			a.notify(row, &uspmsg.Notify{Notification: &uspmsg.Notify_ValueChange_{
				ValueChange: &uspmsg.Notify_ValueChange{ParamPath: param, ParamValue: value},
			}})
		}
	}
}

// subscriptions returns the enabled Subscriptions of a type, or all there are.
func (a *Agent) subscriptions(notifType string) []string {
	var out []string
	for _, n := range a.tree.rows[subscriptions] {
		row := rowPath(subscriptions, n)
		enable, _ := a.tree.Value(row + "Enable")
		t, _ := a.tree.Value(row + "NotifType")
		if notifType == "" || t == notifType && (enable == "true" || enable == "1") {
			out = append(out, row)
		}
	}
	return out
}

// refers reports whether what, a parameter or event, is in a Subscription's
// ReferenceList, or below an object in it.
func (a *Agent) refers(row, what string) bool {
	list, _ := a.tree.Value(row + "ReferenceList")
	for ref := range strings.SplitSeq(list, ",") {
		_, found, err := a.tree.resolve(strings.TrimSpace(ref))
		if err != nil {
			continue
		}
		for _, f := range found {
			if f == what || strings.HasSuffix(f, ".") && strings.HasPrefix(what, f) {
				return true
			}
		}
	}
	return false
}

// notify sends one notification to the recipient of a Subscription.
func (a *Agent) notify(row string, n *uspmsg.Notify) {
	n.SubscriptionId, _ = a.tree.Value(row + "ID") // [R-NOT.7]
	retry, _ := a.tree.Value(row + "NotifRetry")
	n.SendResp = retry == "true" || retry == "1"
	recipient, _ := a.tree.Value(row + "Recipient")
	to := usp.EndpointID(recipient)
	l, hint, _ := a.node.Route(to)
	if l == nil {
		a.log.Warn("no link for a notification", zap.String("endpoint_id", recipient))
		return
	}
	a.send(l, to, hint, &uspmsg.Msg{
		Header: &uspmsg.Header{
			MsgId: "n" + strconv.FormatUint(a.counter.Add(1), 10), MsgType: uspmsg.Header_NOTIFY,
		},
		Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Request{
			Request: &uspmsg.Request{ReqType: &uspmsg.Request_Notify{Notify: n}},
		}},
	})
}
