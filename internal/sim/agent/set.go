// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// update is one UpdateObject of a Set: what its path means, and what became of it.
type update struct {
	req     *uspmsg.Set_UpdateObject
	objects []updatedObject
	err     *usp.Error // of the path, or of the first required parameter
}

type updatedObject struct {
	path     string
	settings []*setting
}

// set answers Set. The objects that one path means are updated all or none [R-SET.2a];
// without allow_partial that goes for the whole Message [R-SET.0, R-SET.1].
func (a *Agent) set(s *uspmsg.Set) *uspmsg.Msg {
	mark := a.mark()
	resp := &uspmsg.SetResp{}
	var errs []*uspmsg.Error_ParamError
	for _, req := range s.GetUpdateObjs() {
		u := a.update(req)
		errs = append(errs, u.paramErrors()...)
		resp.UpdatedObjResults = append(resp.UpdatedObjResults, a.updateResult(u))
	}
	if len(errs) > 0 && !s.GetAllowPartial() {
		a.back(mark)
		return failureOf(errs)
	}
	return response(uspmsg.Header_SET_RESP, &uspmsg.Response{RespType: &uspmsg.Response_SetResp{SetResp: resp}})
}

func (a *Agent) update(req *uspmsg.Set_UpdateObject) *update {
	u := &update{req: req}
	p, found, err := a.tree.resolve(req.GetObjPath())
	switch {
	case err != nil:
		u.err = err
	case p.Kind() != path.Object && p.Kind() != path.Instance:
		u.err = protocolErr(usp.CodeInvalidPath, "not an object")
	case a.tree.isTable(p):
		u.err = protocolErr(usp.CodeInvalidArguments, "a table and no row")
	}
	if u.err != nil {
		return u
	}
	mark := a.mark()
	for _, object := range found {
		o := updatedObject{path: object}
		for _, s := range req.GetParamSettings() {
			o.settings = append(o.settings, &setting{name: s.GetParam(), value: s.GetValue(), required: s.GetRequired()})
		}
		if failed := a.assign(object, o.settings, false); failed != nil && u.err == nil {
			u.err = failed.err
		}
		u.objects = append(u.objects, o)
	}
	if u.err != nil {
		a.back(mark)
	}
	return u
}

// paramErrors are those of an Error about the update.
func (u *update) paramErrors() []*uspmsg.Error_ParamError {
	if u.err != nil && len(u.objects) == 0 {
		return []*uspmsg.Error_ParamError{paramError(u.req.GetObjPath(), u.err)}
	}
	var out []*uspmsg.Error_ParamError
	for _, o := range u.objects {
		for _, s := range o.settings {
			if s.required && s.err != nil {
				out = append(out, paramError(o.path+s.name, s.err))
			}
		}
	}
	return out
}

type (
	setStatus  = uspmsg.SetResp_UpdatedObjectResult_OperationStatus
	setFailure = uspmsg.SetResp_UpdatedObjectResult_OperationStatus_OperationFailure
	setSuccess = uspmsg.SetResp_UpdatedObjectResult_OperationStatus_OperationSuccess
)

func (a *Agent) updateResult(u *update) *uspmsg.SetResp_UpdatedObjectResult {
	res := &uspmsg.SetResp_UpdatedObjectResult{RequestedPath: u.req.GetObjPath(), OperStatus: &setStatus{}}
	if u.err != nil {
		f := &setFailure{ErrCode: uint32(u.err.Code), ErrMsg: u.err.Text}
		for _, o := range u.objects {
			if errs := o.errors(); len(errs) > 0 {
				f.UpdatedInstFailures = append(f.UpdatedInstFailures,
					&uspmsg.SetResp_UpdatedInstanceFailure{AffectedPath: o.path, ParamErrs: errs})
			}
		}
		res.OperStatus.OperStatus = &uspmsg.SetResp_UpdatedObjectResult_OperationStatus_OperFailure{OperFailure: f}
		return res
	}
	ok := &setSuccess{}
	for _, o := range u.objects {
		inst := &uspmsg.SetResp_UpdatedInstanceResult{
			AffectedPath: o.path, UpdatedParams: make(map[string]string), ParamErrs: o.errors(),
		}
		for _, s := range o.settings {
			if s.err == nil {
				inst.UpdatedParams[s.name], _ = a.tree.shown(o.path + s.name)
			}
		}
		ok.UpdatedInstResults = append(ok.UpdatedInstResults, inst)
	}
	res.OperStatus.OperStatus = &uspmsg.SetResp_UpdatedObjectResult_OperationStatus_OperSuccess{OperSuccess: ok}
	return res
}

func (o *updatedObject) errors() []*uspmsg.SetResp_ParameterError {
	var out []*uspmsg.SetResp_ParameterError
	for _, s := range o.settings {
		if s.err != nil {
			out = append(out, &uspmsg.SetResp_ParameterError{
				Param: s.name, ErrCode: uint32(s.err.Code), ErrMsg: s.err.Text,
			})
		}
	}
	return out
}
