// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/trust"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// A command is one row of a table and one file:
//
//   - What every Agent has is in the commands of a localObject; what an Agent has only
//     where its CPE has an object or parameter for it is in schema.offers, with needs (see
//     offered.go). Elsewhere it is an invalid path, 7026, and not in GetSupportedDM.
//   - A synchronous command answers with its output; what fails is 7022, wrong arguments
//     7027, what may have been done 7800.
//   - An asynchronous one gets a row in the Request table. Its RPC leaves in call.r.then,
//     once the command is answered; what it has to remember is stored with the row, and
//     resumeTimers goes on with it after a restart. A job (operate_job.go) is all of that
//     for a command which one RPC begins and which the CPE ends: it bounds its time, allows
//     one at a time on an object (7005), and can be canceled where CWMP can.

// call is one execution of a command, on one object.
type call struct {
	ctx    context.Context //nolint:containedctx // that of the request, which the call does not outlive
	r      *request
	object string // instantiated
	cmd    *command
	key    string // command_key
	args   map[string]string
	row    string // of the Request table, for an asynchronous command

	output map[string]string // of a synchronous command
	err    *usp.Error        // the command failed
}

// send sends the RPC of the command to the CPE.
func (c *call) send(rpc cwmp.Request) (cwmp.Response, error) { return c.r.write(c.ctx, rpc) }

// operate answers Operate. Failures are in the results of the objects, never an
// Error [R-OPR.1]; where no answer is wanted only failures are told [R-OPR.4].
func (a *Agent) operate(ctx context.Context, r *request) (*uspmsg.Response, *uspmsg.Error) {
	req := r.req.GetOperate()
	resp := &uspmsg.OperateResp{}
	calls, err := a.planCalls(ctx, r, req)
	if err != nil {
		resp.OperationResults = append(resp.OperationResults, failedCall(req.GetCommand(), err))
	}
	failed := err != nil
	for _, c := range calls {
		a.runCall(c)
		failed = failed || c.err != nil
		resp.OperationResults = append(resp.OperationResults, c.result())
	}
	if !req.GetSendResp() && !failed {
		return nil, nil
	}
	return &uspmsg.Response{RespType: &uspmsg.Response_OperateResp{OperateResp: resp}}, nil
}

// planCalls resolves the command path.
func (a *Agent) planCalls(ctx context.Context, r *request, req *uspmsg.Operate) ([]*call, *usp.Error) {
	p, err := path.Parse(req.GetCommand())
	if err != nil {
		return nil, uspError(err)
	}
	if p.Kind() != path.Command {
		return nil, invalid(usp.CodeInvalidPath, "", "not the path of a command")
	}
	object, name := splitParam(p.Supported())
	a.lock()
	cmd := a.command(object, name)
	a.unlock()
	if cmd == nil {
		return nil, invalid(usp.CodeInvalidPath, "", "the command is not supported")
	}
	q := query{text: req.GetCommand(), path: p}
	if p.IsSearch() && !isLocal(p.Object()) {
		queries, large := a.resolveFresh(ctx, r, []string{q.text}, nil)
		if large != nil {
			return nil, large
		}
		q = queries[0]
	} else {
		a.lock()
		large := a.resolve(r, &q, a.meterFor(r))
		a.unlock()
		if large != nil {
			return nil, large
		}
	}
	if q.err != nil {
		return nil, q.err
	}
	var calls []*call
	for _, full := range q.found {
		object, _ := splitParam(full)
		calls = append(calls, &call{
			ctx: ctx, r: r, object: object, cmd: cmd, key: req.GetCommandKey(), args: maps.Clone(req.GetInputArgs()),
		})
	}
	return calls, nil
}

// runCall executes one command. Arguments that it does not know are ignored
// [R-OPR.6], a missing mandatory one stops it [R-OPR.5].
func (a *Agent) runCall(c *call) {
	full := c.object + c.cmd.name
	a.lock()
	if c.err = a.authorise(c.r.from, trust.Execute, full); c.err == nil {
		c.err = c.checkArgs()
	}
	if c.err == nil && c.cmd.async {
		c.err = a.openRequest(c, full)
	}
	a.unlock()
	if c.err == nil {
		c.cmd.run(a, c)
	}
	if c.err != nil && c.row != "" {
		a.lock()
		defer a.unlock()
		a.dropRequest(c.row)
	}
}

func (c *call) checkArgs() *usp.Error {
	missing := func(name string) *usp.Error {
		return invalid(usp.CodeInvalidCommandArgs, "", "the argument "+name+" is missing")
	}
	for _, name := range c.cmd.required {
		if c.args[name] == "" {
			return missing(name)
		}
	}
	if c.cmd.login && !strings.HasPrefix(c.args["URL"], fileScheme) {
		for _, name := range []string{"Username", "Password"} {
			if _, given := c.args[name]; !given {
				return missing(name)
			}
		}
	}
	if c.object == softwareModules && unitArguments(c) {
		c.r.agent.host.metrics.deviate(deviationUnitArguments)
	}
	maps.DeleteFunc(c.args, func(name, _ string) bool { return !slices.Contains(c.cmd.in, path.Generic(name)) })
	return nil
}

// result makes the OperationResult.
func (c *call) result() *uspmsg.OperateResp_OperationResult {
	full := c.object + c.cmd.name
	switch {
	case c.err != nil:
		return failedCall(full, c.err)
	case c.cmd.async:
		return &uspmsg.OperateResp_OperationResult{
			ExecutedCommand: full,
			OperationResp:   &uspmsg.OperateResp_OperationResult_ReqObjPath{ReqObjPath: strings.TrimSuffix(c.row, ".")},
		}
	default:
		return &uspmsg.OperateResp_OperationResult{
			ExecutedCommand: full,
			OperationResp: &uspmsg.OperateResp_OperationResult_ReqOutputArgs{
				ReqOutputArgs: &uspmsg.OperateResp_OperationResult_OutputArgs{OutputArgs: c.output},
			},
		}
	}
}

func failedCall(full string, err *usp.Error) *uspmsg.OperateResp_OperationResult {
	return &uspmsg.OperateResp_OperationResult{
		ExecutedCommand: full,
		OperationResp: &uspmsg.OperateResp_OperationResult_CmdFailure{
			CmdFailure: &uspmsg.OperateResp_OperationResult_CommandFailure{ErrCode: uint32(err.Code), ErrMsg: err.Text},
		},
	}
}

// commandError is cpeError for a command: what is not 7800 is a command
// failure, 7022.
func commandError(err error) *usp.Error {
	e := cpeError(err, "")
	if e.Code != usp.CodeOutcomeUnknown {
		e.Code = usp.CodeCommandFailure
	}
	return e
}
