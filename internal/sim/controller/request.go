// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// Error is an Error Message as a Go error. It wraps a *usp.Error.
type Error struct {
	Err    *usp.Error
	Params []*uspmsg.Error_ParamError
}

// Error returns the code and the text of the Message and of each parameter.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Err.Error())
	for _, p := range e.Params {
		fmt.Fprintf(&b, "; %s: %d %s", p.GetParamPath(), p.GetErrCode(), p.GetErrMsg())
	}
	return b.String()
}

// Unwrap returns the *usp.Error.
func (e *Error) Unwrap() error { return e.Err }

// Result returns the Response of an answer, or its Error Message as an *Error.
func Result(msg *uspmsg.Msg) (*uspmsg.Response, error) {
	if r := msg.GetBody().GetResponse(); r != nil {
		return r, nil
	}
	e := msg.GetBody().GetError()
	if e == nil {
		return nil, &Error{Err: &usp.Error{Code: usp.CodeInvalidArguments, Text: "the answer has no body"}}
	}
	return nil, &Error{Err: &usp.Error{Code: usp.Code(e.GetErrCode()), Text: e.GetErrMsg()}, Params: e.GetParamErrs()}
}

// call is Do and Result.
func (c *Controller) call(ctx context.Context, to usp.EndpointID, req *uspmsg.Request) (*uspmsg.Response, error) {
	msg, err := c.Do(ctx, to, req)
	if err != nil {
		return nil, err
	}
	return Result(msg)
}

// Get asks for paths; depth 0 is everything below them.
func (c *Controller) Get(
	ctx context.Context, to usp.EndpointID, depth uint32, paths ...string,
) (*uspmsg.GetResp, error) {
	r, err := c.call(ctx, to, &uspmsg.Request{ReqType: &uspmsg.Request_Get{
		Get: &uspmsg.Get{ParamPaths: paths, MaxDepth: depth},
	}})
	return r.GetGetResp(), err
}

// Params flattens a GetResp into values by full path. Paths that failed are
// left out.
func Params(r *uspmsg.GetResp) map[string]string {
	out := make(map[string]string)
	for _, req := range r.GetReqPathResults() {
		for _, res := range req.GetResolvedPathResults() {
			for name, v := range res.GetResultParams() {
				out[res.GetResolvedPath()+name] = v
			}
		}
	}
	return out
}

// Update makes the settings of one object for Set, all of them required.
func Update(object string, params map[string]string) *uspmsg.Set_UpdateObject {
	o := &uspmsg.Set_UpdateObject{ObjPath: object}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		o.ParamSettings = append(o.ParamSettings,
			&uspmsg.Set_UpdateParamSetting{Param: name, Value: params[name], Required: true})
	}
	return o
}

// Set changes parameters.
func (c *Controller) Set(
	ctx context.Context, to usp.EndpointID, allowPartial bool, objects ...*uspmsg.Set_UpdateObject,
) (*uspmsg.SetResp, error) {
	r, err := c.call(ctx, to, &uspmsg.Request{ReqType: &uspmsg.Request_Set{
		Set: &uspmsg.Set{AllowPartial: allowPartial, UpdateObjs: objects},
	}})
	return r.GetSetResp(), err
}

// Create makes the settings of one new row for Add, all of them required.
func Create(table string, params map[string]string) *uspmsg.Add_CreateObject {
	o := &uspmsg.Add_CreateObject{ObjPath: table}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		o.ParamSettings = append(o.ParamSettings,
			&uspmsg.Add_CreateParamSetting{Param: name, Value: params[name], Required: true})
	}
	return o
}

// Add creates rows.
func (c *Controller) Add(
	ctx context.Context, to usp.EndpointID, allowPartial bool, objects ...*uspmsg.Add_CreateObject,
) (*uspmsg.AddResp, error) {
	r, err := c.call(ctx, to, &uspmsg.Request{ReqType: &uspmsg.Request_Add{
		Add: &uspmsg.Add{AllowPartial: allowPartial, CreateObjs: objects},
	}})
	return r.GetAddResp(), err
}

// Delete removes rows.
func (c *Controller) Delete(
	ctx context.Context, to usp.EndpointID, allowPartial bool, paths ...string,
) (*uspmsg.DeleteResp, error) {
	r, err := c.call(ctx, to, &uspmsg.Request{ReqType: &uspmsg.Request_Delete{
		Delete: &uspmsg.Delete{AllowPartial: allowPartial, ObjPaths: paths},
	}})
	return r.GetDeleteResp(), err
}

// Operate runs a command and waits for the OperateResp; the result of an
// asynchronous one comes as a notification with the same key.
func (c *Controller) Operate(
	ctx context.Context, to usp.EndpointID, command, key string, args map[string]string,
) (*uspmsg.OperateResp, error) {
	r, err := c.call(ctx, to, &uspmsg.Request{ReqType: &uspmsg.Request_Operate{
		Operate: &uspmsg.Operate{Command: command, CommandKey: key, SendResp: true, InputArgs: args},
	}})
	return r.GetOperateResp(), err
}

// GetInstances lists the rows of tables, and with firstLevelOnly false those
// of the tables inside.
func (c *Controller) GetInstances(
	ctx context.Context, to usp.EndpointID, firstLevelOnly bool, paths ...string,
) (*uspmsg.GetInstancesResp, error) {
	r, err := c.call(ctx, to, &uspmsg.Request{ReqType: &uspmsg.Request_GetInstances{
		GetInstances: &uspmsg.GetInstances{ObjPaths: paths, FirstLevelOnly: firstLevelOnly},
	}})
	return r.GetGetInstancesResp(), err
}

// GetSupportedDM asks what the Agent supports.
func (c *Controller) GetSupportedDM(
	ctx context.Context, to usp.EndpointID, req *uspmsg.GetSupportedDM,
) (*uspmsg.GetSupportedDMResp, error) {
	r, err := c.call(ctx, to, &uspmsg.Request{ReqType: &uspmsg.Request_GetSupportedDm{GetSupportedDm: req}})
	return r.GetGetSupportedDmResp(), err
}

// GetSupportedProtocol returns the versions of USP that the Agent supports, a
// comma-separated list.
func (c *Controller) GetSupportedProtocol(ctx context.Context, to usp.EndpointID) (string, error) {
	r, err := c.call(ctx, to, &uspmsg.Request{ReqType: &uspmsg.Request_GetSupportedProtocol{
		GetSupportedProtocol: &uspmsg.GetSupportedProtocol{ControllerSupportedProtocolVersions: usp.Version},
	}})
	return r.GetGetSupportedProtocolResp().GetAgentSupportedProtocolVersions(), err
}

// Subscription is a row of Device.LocalAgent.Subscription. to be.
type Subscription struct {
	ID         string
	Type       string // ValueChange, ObjectCreation, ObjectDeletion, OperationComplete or Event
	References []string
	Retry      bool // NotifRetry: every notification wants an answer
	Persistent bool
}

// Subscribe adds an enabled Subscription and returns its instantiated path.
func (c *Controller) Subscribe(ctx context.Context, to usp.EndpointID, s Subscription) (string, error) {
	params := map[string]string{
		"Enable": "true", "ID": s.ID, "NotifType": s.Type, "ReferenceList": strings.Join(s.References, ","),
	}
	if s.Retry {
		params["NotifRetry"] = strconv.FormatBool(s.Retry)
	}
	if s.Persistent {
		params["Persistent"] = strconv.FormatBool(s.Persistent)
	}
	r, err := c.Add(ctx, to, false, Create("Device.LocalAgent.Subscription.", params))
	if err != nil {
		return "", err
	}
	if len(r.GetCreatedObjResults()) == 0 {
		return "", &usp.Error{Code: usp.CodeObjectNotCreated, Text: "the AddResp is empty"}
	}
	res := r.GetCreatedObjResults()[0]
	if f := res.GetOperStatus().GetOperFailure(); f != nil {
		return "", &usp.Error{Code: usp.Code(f.GetErrCode()), Path: res.GetRequestedPath(), Text: f.GetErrMsg()}
	}
	return res.GetOperStatus().GetOperSuccess().GetInstantiatedPath(), nil
}

// requestType is the msg_type of a Request [R-MSG.10].
func requestType(req *uspmsg.Request) uspmsg.Header_MsgType {
	switch req.GetReqType().(type) {
	case *uspmsg.Request_Get:
		return uspmsg.Header_GET
	case *uspmsg.Request_GetSupportedDm:
		return uspmsg.Header_GET_SUPPORTED_DM
	case *uspmsg.Request_GetInstances:
		return uspmsg.Header_GET_INSTANCES
	case *uspmsg.Request_Set:
		return uspmsg.Header_SET
	case *uspmsg.Request_Add:
		return uspmsg.Header_ADD
	case *uspmsg.Request_Delete:
		return uspmsg.Header_DELETE
	case *uspmsg.Request_Operate:
		return uspmsg.Header_OPERATE
	case *uspmsg.Request_Notify:
		return uspmsg.Header_NOTIFY
	case *uspmsg.Request_GetSupportedProtocol:
		return uspmsg.Header_GET_SUPPORTED_PROTO
	case *uspmsg.Request_Register:
		return uspmsg.Header_REGISTER
	case *uspmsg.Request_Deregister:
		return uspmsg.Header_DEREGISTER
	default:
		return uspmsg.Header_ERROR
	}
}
