// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

func rowPath(table string, n uint32) string { return table + strconv.FormatUint(uint64(n), 10) + "." }

// check says why a parameter of an object cannot be set; nil if it can.
func (t *tree) check(object, name, value string) *usp.Error {
	s, ok := t.supported[path.Generic(object)+name]
	switch {
	case !ok:
		return &usp.Error{Code: usp.CodeUnsupportedParameter, Text: "no such parameter"}
	case !s.writable:
		return &usp.Error{Code: usp.CodeNonWriteable, Text: "read only"}
	case !path.Valid(s.typ, value):
		return &usp.Error{Code: usp.CodeInvalidValue, Text: "not a value of type " + s.typ.String()}
	}
	return nil
}

// change is a parameter that will have a new value.
type change struct{ path, value string }

// set answers Set. An object is updated as a whole or, if a required parameter
// fails, not at all [R-SET.2a]; without allow_partial that goes for the whole
// Message [R-SET.0, R-SET.1].
func (a *Agent) set(s *uspmsg.Set) (answer *uspmsg.Msg, after []func()) {
	resp := &uspmsg.SetResp{}
	var all []change
	var errs []*uspmsg.Error_ParamError
	for _, o := range s.GetUpdateObjs() {
		res, changes, failed := a.setObject(o)
		all = append(all, changes...)
		errs = append(errs, failed...)
		resp.UpdatedObjResults = append(resp.UpdatedObjResults, res)
	}
	if len(errs) > 0 && !s.GetAllowPartial() {
		return failure(usp.CodeRequiredParameter, "nothing was set", errs), nil
	}
	for _, c := range all {
		if p := a.tree.params[c.path]; p != nil && p.Value != c.value {
			p.Value = c.value
			after = append(after, func() { a.valueChanged(c.path, c.value) })
		}
	}
	return response(uspmsg.Header_SET_RESP, &uspmsg.Response{
		RespType: &uspmsg.Response_SetResp{SetResp: resp},
	}), after
}

func (a *Agent) setObject(o *uspmsg.Set_UpdateObject) (
	*uspmsg.SetResp_UpdatedObjectResult, []change, []*uspmsg.Error_ParamError,
) {
	type failureOf = uspmsg.SetResp_UpdatedObjectResult_OperationStatus_OperationFailure
	bad := &failureOf{ErrCode: uint32(usp.CodeObjectNotUpdated), ErrMsg: "a required parameter failed"}
	good := &uspmsg.SetResp_UpdatedObjectResult_OperationStatus_OperationSuccess{}
	p, found, err := a.tree.resolve(o.GetObjPath())
	if err == nil && p.Leaf() != "" {
		err = &usp.Error{Code: usp.CodeInvalidPathSyntax, Text: "not an object"}
	}
	if err != nil {
		bad.ErrCode, bad.ErrMsg = codeOf(err)
		return setFailed(o, bad), nil, []*uspmsg.Error_ParamError{{
			ParamPath: o.GetObjPath(), ErrCode: bad.GetErrCode(), ErrMsg: bad.GetErrMsg(),
		}}
	}
	var changes []change
	var errs []*uspmsg.Error_ParamError
	for _, object := range found {
		inst := &uspmsg.SetResp_UpdatedInstanceResult{AffectedPath: object, UpdatedParams: make(map[string]string)}
		required := false
		for _, s := range o.GetParamSettings() {
			e := a.tree.check(object, s.GetParam(), s.GetValue())
			if e == nil {
				changes = append(changes, change{object + s.GetParam(), s.GetValue()})
				inst.UpdatedParams[s.GetParam()] = s.GetValue()
				continue
			}
			inst.ParamErrs = append(inst.ParamErrs, &uspmsg.SetResp_ParameterError{
				Param: s.GetParam(), ErrCode: uint32(e.Code), ErrMsg: e.Text,
			})
			if s.GetRequired() {
				required = true
				errs = append(errs, &uspmsg.Error_ParamError{
					ParamPath: object + s.GetParam(), ErrCode: uint32(e.Code), ErrMsg: e.Text,
				})
			}
		}
		good.UpdatedInstResults = append(good.UpdatedInstResults, inst)
		if required {
			bad.UpdatedInstFailures = append(bad.UpdatedInstFailures,
				&uspmsg.SetResp_UpdatedInstanceFailure{AffectedPath: object, ParamErrs: inst.GetParamErrs()})
		}
	}
	if len(errs) > 0 {
		return setFailed(o, bad), nil, errs
	}
	return &uspmsg.SetResp_UpdatedObjectResult{
		RequestedPath: o.GetObjPath(),
		OperStatus: &uspmsg.SetResp_UpdatedObjectResult_OperationStatus{
			OperStatus: &uspmsg.SetResp_UpdatedObjectResult_OperationStatus_OperSuccess{OperSuccess: good},
		},
	}, changes, nil
}

func setFailed(
	o *uspmsg.Set_UpdateObject, f *uspmsg.SetResp_UpdatedObjectResult_OperationStatus_OperationFailure,
) *uspmsg.SetResp_UpdatedObjectResult {
	return &uspmsg.SetResp_UpdatedObjectResult{
		RequestedPath: o.GetObjPath(),
		OperStatus: &uspmsg.SetResp_UpdatedObjectResult_OperationStatus{
			OperStatus: &uspmsg.SetResp_UpdatedObjectResult_OperationStatus_OperFailure{OperFailure: f},
		},
	}
}

// add answers Add. Without allow_partial a failure leaves nothing behind
// [R-ADD.0, R-ADD.1].
func (a *Agent) add(from usp.EndpointID, m *uspmsg.Add) *uspmsg.Msg {
	resp := &uspmsg.AddResp{}
	var rows []string
	for _, o := range m.GetCreateObjs() {
		row, e := a.addRow(from, o)
		status := &uspmsg.AddResp_CreatedObjectResult_OperationStatus{}
		switch {
		case e == nil:
			rows = append(rows, row)
			status.OperStatus = &uspmsg.AddResp_CreatedObjectResult_OperationStatus_OperSuccess{
				OperSuccess: &uspmsg.AddResp_CreatedObjectResult_OperationStatus_OperationSuccess{
					InstantiatedPath: row, UniqueKeys: a.tree.keys(row), // [R-ADD.5]
				},
			}
		case !m.GetAllowPartial():
			for _, row := range rows {
				a.tree.removeRow(row)
			}
			return failure(e.Code, e.Text, []*uspmsg.Error_ParamError{{
				ParamPath: e.Path, ErrCode: uint32(e.Code), ErrMsg: e.Text,
			}})
		default:
			status.OperStatus = &uspmsg.AddResp_CreatedObjectResult_OperationStatus_OperFailure{
				OperFailure: &uspmsg.AddResp_CreatedObjectResult_OperationStatus_OperationFailure{
					ErrCode: uint32(e.Code), ErrMsg: e.Text,
				},
			}
		}
		resp.CreatedObjResults = append(resp.CreatedObjResults, &uspmsg.AddResp_CreatedObjectResult{
			RequestedPath: o.GetObjPath(), OperStatus: status,
		})
	}
	return response(uspmsg.Header_ADD_RESP, &uspmsg.Response{RespType: &uspmsg.Response_AddResp{AddResp: resp}})
}

// addRow makes a Subscription; every parameter given counts as required.
func (a *Agent) addRow(from usp.EndpointID, o *uspmsg.Add_CreateObject) (row string, e *usp.Error) {
	if o.GetObjPath() != subscriptions {
		return "", &usp.Error{Code: usp.CodeNonCreatable, Path: o.GetObjPath(), Text: "no row can be added"}
	}
	n := a.tree.last[subscriptions] + 1
	row = rowPath(subscriptions, n)
	given := map[string]string{
		"Alias": "cpe-" + strconv.FormatUint(uint64(n), 10), "ID": "cpe-" + strconv.FormatUint(uint64(n), 10),
	}
	for _, s := range o.GetParamSettings() {
		if e := a.tree.check(row, s.GetParam(), s.GetValue()); e != nil {
			e.Path = o.GetObjPath() + s.GetParam()
			return "", e
		}
		given[s.GetParam()] = s.GetValue()
	}
	given["Recipient"] = strings.Clone(string(from)) // an Endpoint ID here, where TR-181 has a reference
	for _, other := range a.tree.rows[subscriptions] {
		keys := a.tree.keys(rowPath(subscriptions, other))
		if keys["Alias"] == given["Alias"] || keys["ID"] == given["ID"] && keys["Recipient"] == given["Recipient"] {
			return "", &usp.Error{Code: usp.CodeDuplicateUniqueKey, Path: o.GetObjPath(), Text: "there is such a row"}
		}
	}
	a.tree.addObject(row)
	for _, p := range subscriptionParams() {
		if v, ok := given[p.Path]; ok {
			p.Value = v
		}
		p.Path = row + p.Path
		a.tree.addParam(p)
	}
	return row, nil
}

// remove answers Delete. What resolves to nothing is a success without paths
// [R-DEL.2a].
func (a *Agent) remove(m *uspmsg.Delete) *uspmsg.Msg {
	resp := &uspmsg.DeleteResp{}
	var rows []string
	for _, requested := range m.GetObjPaths() {
		status := &uspmsg.DeleteResp_DeletedObjectResult_OperationStatus{}
		p, found, err := a.tree.resolve(requested)
		code, text := codeOf(err)
		switch {
		case err != nil && usp.Code(code) == usp.CodeObjectDoesNotExist:
			err = nil
		case err == nil && !strings.HasPrefix(p.Object(), subscriptions):
			code, text = uint32(usp.CodeDeleteFailure), "no row can be deleted"
			err = &usp.Error{Code: usp.CodeDeleteFailure}
		case err == nil && p.Kind() != path.Instance:
			code, text = uint32(usp.CodeInvalidPathSyntax), "not an instance"
			err = &usp.Error{Code: usp.CodeInvalidPathSyntax}
		}
		switch {
		case err == nil:
			rows = append(rows, found...)
			status.OperStatus = &uspmsg.DeleteResp_DeletedObjectResult_OperationStatus_OperSuccess{
				OperSuccess: &uspmsg.DeleteResp_DeletedObjectResult_OperationStatus_OperationSuccess{AffectedPaths: found},
			}
		case !m.GetAllowPartial():
			return failure(usp.Code(code), text, []*uspmsg.Error_ParamError{{
				ParamPath: requested, ErrCode: code, ErrMsg: text,
			}})
		default:
			status.OperStatus = &uspmsg.DeleteResp_DeletedObjectResult_OperationStatus_OperFailure{
				OperFailure: &uspmsg.DeleteResp_DeletedObjectResult_OperationStatus_OperationFailure{
					ErrCode: code, ErrMsg: text,
				},
			}
		}
		resp.DeletedObjResults = append(resp.DeletedObjResults, &uspmsg.DeleteResp_DeletedObjectResult{
			RequestedPath: requested, OperStatus: status,
		})
	}
	for _, row := range rows {
		a.tree.removeRow(row)
	}
	return response(uspmsg.Header_DELETE_RESP, &uspmsg.Response{
		RespType: &uspmsg.Response_DeleteResp{DeleteResp: resp},
	})
}
