// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// add answers Add. Without allow_partial a failure leaves nothing behind
// [R-ADD.0, R-ADD.1, R-ADD.2a].
func (a *Agent) add(from usp.EndpointID, m *uspmsg.Add) *uspmsg.Msg {
	mark := a.mark()
	resp := &uspmsg.AddResp{}
	var errs []*uspmsg.Error_ParamError
	for _, req := range m.GetCreateObjs() {
		results, failed := a.create(from, req)
		resp.CreatedObjResults = append(resp.CreatedObjResults, results...)
		errs = append(errs, failed...)
	}
	if len(errs) > 0 && !m.GetAllowPartial() {
		a.back(mark)
		return failureOf(errs)
	}
	return response(uspmsg.Header_ADD_RESP, &uspmsg.Response{RespType: &uspmsg.Response_AddResp{AddResp: resp}})
}

type (
	addResult  = uspmsg.AddResp_CreatedObjectResult
	addStatus  = uspmsg.AddResp_CreatedObjectResult_OperationStatus
	addFailure = uspmsg.AddResp_CreatedObjectResult_OperationStatus_OperationFailure
	addSuccess = uspmsg.AddResp_CreatedObjectResult_OperationStatus_OperationSuccess
)

// create makes one row in every table that the path means.
func (a *Agent) create(from usp.EndpointID, req *uspmsg.Add_CreateObject) ([]*addResult, []*uspmsg.Error_ParamError) {
	p, found, err := a.tree.resolve(req.GetObjPath())
	switch {
	case err != nil:
	case !a.tree.isTable(p):
		err = protocolErr(usp.CodeNotATable, "not a table")
	case !a.tree.schema.objects[p.Supported()+"{i}."].add:
		err = protocolErr(usp.CodeNonCreatable, "no row can be added")
	}
	if err != nil {
		return []*addResult{notAdded(req, err)}, []*uspmsg.Error_ParamError{paramError(req.GetObjPath(), err)}
	}
	if len(found) == 0 { // the search matched nothing [R-MSG.4a]
		return []*addResult{added(req, &addSuccess{})}, nil
	}
	var results []*addResult
	var errs []*uspmsg.Error_ParamError
	for _, table := range found {
		ok, failed := a.addRow(from, table, req)
		if len(failed) > 0 {
			results = append(results, notAdded(req, &usp.Error{
				Code: usp.Code(failed[0].GetErrCode()), Text: failed[0].GetErrMsg(),
			}))
			errs = append(errs, failed...)
			continue
		}
		results = append(results, added(req, ok))
	}
	return results, errs
}

// addRow makes a row. The parameters of a unique key are required [R-ADD.3].
func (a *Agent) addRow(from usp.EndpointID, table string, req *uspmsg.Add_CreateObject) (
	*addSuccess, []*uspmsg.Error_ParamError,
) {
	mark := a.mark()
	row := a.tree.addRow(table, 0)
	a.quiet(func() { a.begin(row, from) })
	keys := slices.Concat(a.tree.schema.objects[path.Generic(row)].keys...)
	var settings []*setting
	for _, s := range req.GetParamSettings() {
		settings = append(settings, &setting{
			name: s.GetParam(), value: s.GetValue(), required: s.GetRequired() || slices.Contains(keys, s.GetParam()),
		})
	}
	var failed *setting
	a.quiet(func() { failed = a.assign(row, settings, true) })
	if failed != nil {
		a.back(mark)
		var errs []*uspmsg.Error_ParamError
		for _, s := range settings {
			if s.required && s.err != nil {
				errs = append(errs, paramError(table+s.name, s.err))
			}
		}
		return nil, errs
	}
	if _, err := a.checkRow(row); err != nil { // what is wrong without any setting
		a.back(mark)
		return nil, []*uspmsg.Error_ParamError{paramError(table, err)}
	}
	a.adding = row
	a.tree.announce(row)
	a.adding = ""
	a.rowAdded(row)
	ok := &addSuccess{InstantiatedPath: row, UniqueKeys: a.tree.keys(row)} // [R-ADD.5]
	for _, s := range settings {
		if s.err != nil { // [R-ADD.4]
			ok.ParamErrs = append(ok.ParamErrs, &uspmsg.AddResp_ParameterError{
				Param: s.name, ErrCode: uint32(s.err.Code), ErrMsg: s.err.Text,
			})
		}
	}
	return ok, nil
}

// begin fills in what a new row gets by itself.
func (a *Agent) begin(row string, from usp.EndpointID) {
	if table, _ := splitRow(row); table == subscriptionTable {
		a.beginSubscription(row, from)
	}
}

func added(req *uspmsg.Add_CreateObject, s *addSuccess) *addResult {
	return &addResult{RequestedPath: req.GetObjPath(), OperStatus: &addStatus{
		OperStatus: &uspmsg.AddResp_CreatedObjectResult_OperationStatus_OperSuccess{OperSuccess: s},
	}}
}

func notAdded(req *uspmsg.Add_CreateObject, err *usp.Error) *addResult {
	return &addResult{RequestedPath: req.GetObjPath(), OperStatus: &addStatus{
		OperStatus: &uspmsg.AddResp_CreatedObjectResult_OperationStatus_OperFailure{
			OperFailure: &addFailure{ErrCode: uint32(err.Code), ErrMsg: err.Text},
		},
	}}
}
