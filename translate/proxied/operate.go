// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package proxied

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

type operation = uspmsg.OperateResp_OperationResult

const requestTable = "Device.LocalAgent.Request."

// operate answers Operate. A command that goes on in a CPE has a row in the gateway's own
// Request table, until its Virtual Agent says that it is over.
func (t *talk) operate(ctx context.Context) (*uspmsg.Response, *uspmsg.Error) {
	req := t.q.Request.GetOperate()
	if row, ok := strings.CutSuffix(req.GetCommand(), "Cancel()"); ok && strings.HasPrefix(row, requestTable) {
		if of, theirs, ok := t.g.tree.RequestOf(row); ok {
			return t.cancel(of, theirs)
		}
	}
	to := t.target(ctx, req.GetCommand())
	if to.own {
		return t.q.Own(ctx, t.q.Request)
	}
	if to.err != nil {
		if to.err.Code == usp.CodeObjectDoesNotExist && to.one {
			to.err.Code = usp.CodeInvalidPath
		}
		return operated(req, []*operation{failedOperation(req.GetCommand(), uint32(to.err.Code), to.err.Text)})
	}
	if err := t.q.OnWire(); err != nil {
		return nil, newError(usp.CodeInternalError, "the journal is not available")
	}
	var questions []*question
	var all []*operation
	for _, m := range to.mounts {
		if err := t.g.hearCommands(m.id); err != nil {
			all = append(all, commandFailed(to.text(m), "the Virtual Agent of this CPE cannot be had"))
			continue
		}
		one, _ := proto.Clone(req).(*uspmsg.Operate)
		m.inMessage(one)
		one.Command, one.SendResp = to.inside(m), true
		req := &uspmsg.Request{ReqType: &uspmsg.Request_Operate{Operate: one}}
		questions = append(questions, &question{mount: m, req: req})
		t.g.notes.begin(m.id)
		t.q.After(func() { t.g.notes.end(m.id) })
	}
	t.ask(questions, true)
	for _, one := range questions {
		all = append(all, t.operationsOf(one, &to)...)
	}
	return operated(req, all)
}

// operated makes the answer; where none is wanted only failures are told [R-OPR.4].
func operated(req *uspmsg.Operate, all []*operation) (*uspmsg.Response, *uspmsg.Error) {
	failed := false
	for _, r := range all {
		failed = failed || r.GetCmdFailure() != nil
	}
	if !req.GetSendResp() && !failed {
		return nil, nil
	}
	return &uspmsg.Response{RespType: &uspmsg.Response_OperateResp{
		OperateResp: &uspmsg.OperateResp{OperationResults: all},
	}}, nil
}

// operationsOf takes the results of one CPE, and makes the rows of what goes on.
func (t *talk) operationsOf(one *question, to *target) []*operation {
	if one.err != nil {
		return []*operation{failedOperation(to.text(one.mount), one.err.GetErrCode(), one.err.GetErrMsg())}
	}
	all := one.resp.GetOperateResp().GetOperationResults()
	for _, r := range all {
		theirs := r.GetReqObjPath()
		one.outMessage(r)
		if theirs == "" {
			continue
		}
		key := t.q.Request.GetOperate().GetCommandKey()
		row, err := t.g.tree.OpenRequest(t.q.From, r.GetExecutedCommand(), key, one.id, theirs)
		if err != nil {
			r.OperationResp = failedOperation("", uint32(usp.CodeOutcomeUnknown),
				"it was begun, but has no row in the Request table: "+err.Text).GetOperationResp()
			continue
		}
		r.OperationResp = &uspmsg.OperateResp_OperationResult_ReqObjPath{ReqObjPath: row}
	}
	return all
}

func commandFailed(command, text string) *operation {
	return failedOperation(command, uint32(usp.CodeCommandFailure), text)
}

func failedOperation(command string, code uint32, text string) *operation {
	return &operation{
		ExecutedCommand: command,
		OperationResp: &uspmsg.OperateResp_OperationResult_CmdFailure{
			CmdFailure: &uspmsg.OperateResp_OperationResult_CommandFailure{ErrCode: code, ErrMsg: text},
		},
	}
}

// cancel cancels a command that goes on in a CPE.
func (t *talk) cancel(of usp.EndpointID, theirs string) (*uspmsg.Response, *uspmsg.Error) {
	req := t.q.Request.GetOperate()
	m, ok := t.g.of(of)
	if !ok {
		return operated(req, []*operation{commandFailed(req.GetCommand(), "its CPE is not mounted any more")})
	}
	if err := t.q.OnWire(); err != nil {
		return nil, newError(usp.CodeInternalError, "the journal is not available")
	}
	one := &question{mount: m, req: &uspmsg.Request{ReqType: &uspmsg.Request_Operate{Operate: &uspmsg.Operate{
		Command: strings.TrimSuffix(theirs, ".") + ".Cancel()", CommandKey: req.GetCommandKey(), SendResp: true,
	}}}}
	t.ask([]*question{one}, true)
	if one.err != nil {
		return nil, one.err
	}
	all := one.resp.GetOperateResp().GetOperationResults()
	for _, r := range all {
		one.outMessage(r)
		r.ExecutedCommand = req.GetCommand()
	}
	return operated(req, all)
}
