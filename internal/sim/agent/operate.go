// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// call is one command on one object.
type call struct {
	from   usp.EndpointID
	object string // instantiated
	cmd    *command
	key    string
	args   map[string]string
}

func (c *call) full() string { return c.object + c.cmd.name }

// operate answers Operate. What fails is told in the result of its object
// [R-OPR.1].
func (a *Agent) operate(from usp.EndpointID, o *uspmsg.Operate) *uspmsg.Msg {
	resp := &uspmsg.OperateResp{}
	failed := false
	cmd, found, err := a.command(o.GetCommand())
	if err != nil {
		failed = true
		resp.OperationResults = append(resp.OperationResults, commandFailed(o.GetCommand(), err))
	}
	for _, full := range found {
		object, _ := split(full)
		c := &call{from: from, object: object, cmd: cmd, key: o.GetCommandKey(), args: maps.Clone(o.GetInputArgs())}
		res := a.call(c)
		failed = failed || res.GetCmdFailure() != nil
		resp.OperationResults = append(resp.OperationResults, res)
	}
	if !o.GetSendResp() && !failed { // [R-OPR.4]
		return nil
	}
	return response(uspmsg.Header_OPERATE_RESP, &uspmsg.Response{
		RespType: &uspmsg.Response_OperateResp{OperateResp: resp},
	})
}

// command resolves a Command Path: what is not supported cannot be looked for.
func (a *Agent) command(requested string) (cmd *command, found []string, err *usp.Error) {
	p, e := path.Parse(requested)
	if e != nil {
		return nil, nil, protocolError(e)
	}
	in, name := split(p.Supported())
	if o := a.tree.schema.objects[in]; p.Kind() == path.Command && o != nil {
		cmd = o.command(name)
	}
	if cmd == nil {
		return nil, nil, protocolErr(usp.CodeInvalidPath, "no such command")
	}
	_, found, err = a.tree.resolve(requested)
	return cmd, found, err
}

// call begins a command, and does it if it is synchronous.
func (a *Agent) call(c *call) *uspmsg.OperateResp_OperationResult {
	for _, name := range c.cmd.mandatory { // [R-OPR.5]
		if !c.has(name) {
			return commandFailed(c.full(), protocolErr(usp.CodeInvalidCommandArgs, name+" is missing"))
		}
	}
	res := &uspmsg.OperateResp_OperationResult{ExecutedCommand: c.full()}
	if c.cmd.async {
		row, err := a.openRequest(c)
		if err != nil {
			return commandFailed(c.full(), err)
		}
		res.OperationResp = &uspmsg.OperateResp_OperationResult_ReqObjPath{ReqObjPath: strings.TrimSuffix(row, ".")}
		return res
	}
	if err := a.run(c); err != nil {
		return commandFailed(c.full(), err)
	}
	res.OperationResp = &uspmsg.OperateResp_OperationResult_ReqOutputArgs{
		ReqOutputArgs: &uspmsg.OperateResp_OperationResult_OutputArgs{},
	}
	return res
}

// has reports whether there is an argument, in any instance.
func (c *call) has(name string) bool {
	for arg, v := range c.args {
		if v != "" && (arg == name || path.Generic(arg) == name) {
			return true
		}
	}
	return false
}

// run does a synchronous command. Those of the device have nothing to do.
func (a *Agent) run(c *call) *usp.Error {
	switch c.cmd.name {
	case "Reboot()":
		a.restart("RemoteReboot", c.key, false)
	case "FactoryReset()":
		a.restart("RemoteFactoryReset", c.key, false)
	case "Cancel()":
		return a.cancel(c.object)
	case "SendOnBoardRequest()":
		a.onBoard(c.object)
	}
	return nil
}

func commandFailed(full string, err *usp.Error) *uspmsg.OperateResp_OperationResult {
	return &uspmsg.OperateResp_OperationResult{
		ExecutedCommand: full,
		OperationResp: &uspmsg.OperateResp_OperationResult_CmdFailure{
			CmdFailure: &uspmsg.OperateResp_OperationResult_CommandFailure{ErrCode: uint32(err.Code), ErrMsg: err.Text},
		},
	}
}

// restart does what a restart does to the tree, and tells the subscribers when it is
// over. The Links stay up.
func (a *Agent) restart(cause, key string, updated bool) {
	a.after(a.opts.CommandTime, func() {
		for _, n := range a.tree.rows[requestTable] {
			a.tree.removeRow(rowPath(requestTable, n))
		}
		for _, n := range a.tree.rows[subscriptionTable] {
			if row := rowPath(subscriptionTable, n); !a.tree.isTrue(row + "Persistent") {
				a.tree.removeRow(row)
			}
		}
		a.started = time.Now()
		for _, sub := range a.subscribers("Event", "Device.Boot!", false) {
			params := map[string]string{
				"CommandKey": key, "Cause": cause, "Reason": "", "FirmwareUpdated": strconv.FormatBool(updated),
			}
			if m := a.bootParameters(a.tree.get(sub + "Recipient")); m != "" {
				params["ParameterMap"] = m
			}
			a.eventTo([]string{sub}, "Device.", "Boot!", params)
		}
		for _, n := range a.tree.rows[controllerTable] { // [R-NOT.6]
			if row := rowPath(controllerTable, n); !a.tree.isTrue(row + "OnBoardingComplete") {
				a.onBoard(row)
			}
		}
	})
}

// onBoard tells a Controller who this is [R-NOT.5].
func (a *Agent) onBoard(controller string) {
	t := a.tree
	n := &uspmsg.Notify{SendResp: true, Notification: &uspmsg.Notify_OnBoardReq{
		OnBoardReq: &uspmsg.Notify_OnBoardRequest{
			Oui: t.get(deviceInfo + "ManufacturerOUI"), ProductClass: t.get(deviceInfo + "ProductClass"),
			SerialNumber: t.get(deviceInfo + "SerialNumber"), AgentSupportedProtocolVersions: supportedVersions,
		},
	}}
	to := a.controllerOf(controller)
	a.outbox = append(a.outbox, func() { a.notify(to, n, 0) })
}
