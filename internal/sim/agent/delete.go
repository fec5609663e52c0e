// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// remove answers Delete. An instance that is not there is a success without paths
// [R-DEL.2a, TP-469 1.25].
func (a *Agent) remove(m *uspmsg.Delete) *uspmsg.Msg {
	resp := &uspmsg.DeleteResp{}
	var rows []string
	var errs []*uspmsg.Error_ParamError
	for _, requested := range m.GetObjPaths() {
		status := &uspmsg.DeleteResp_DeletedObjectResult_OperationStatus{}
		found, err := a.deletable(requested)
		if err != nil {
			errs = append(errs, paramError(requested, err))
			status.OperStatus = &uspmsg.DeleteResp_DeletedObjectResult_OperationStatus_OperFailure{
				OperFailure: &uspmsg.DeleteResp_DeletedObjectResult_OperationStatus_OperationFailure{
					ErrCode: uint32(err.Code), ErrMsg: err.Text,
				},
			}
		} else {
			rows = append(rows, found...)
			status.OperStatus = &uspmsg.DeleteResp_DeletedObjectResult_OperationStatus_OperSuccess{
				OperSuccess: &uspmsg.DeleteResp_DeletedObjectResult_OperationStatus_OperationSuccess{AffectedPaths: found},
			}
		}
		resp.DeletedObjResults = append(resp.DeletedObjResults, &uspmsg.DeleteResp_DeletedObjectResult{
			RequestedPath: requested, OperStatus: status,
		})
	}
	if len(errs) > 0 && !m.GetAllowPartial() {
		return failureOf(errs)
	}
	for _, row := range rows {
		if table, _ := splitRow(row); table == controllerTable {
			a.forsake(row)
		}
		a.tree.removeRow(row)
	}
	return response(uspmsg.Header_DELETE_RESP, &uspmsg.Response{
		RespType: &uspmsg.Response_DeleteResp{DeleteResp: resp},
	})
}

// deletable returns the rows that a path of a Delete means.
func (a *Agent) deletable(requested string) ([]string, *usp.Error) {
	p, found, err := a.tree.resolve(requested)
	switch {
	case err != nil && err.Code != usp.CodeObjectDoesNotExist:
		return nil, err
	case a.isNoTable(p):
		return nil, protocolErr(usp.CodeNotATable, "not an instance")
	case p.Kind() != path.Instance:
		return nil, protocolErr(usp.CodeInvalidArguments, "a table and no row")
	}
	if o := a.tree.schema.objects[p.Supported()]; o == nil || !o.del {
		return nil, protocolErr(usp.CodeDeleteFailure, "no row can be deleted")
	}
	return found, nil
}

// isNoTable reports what is neither a table nor a row of one.
func (a *Agent) isNoTable(p path.Path) bool { return p.Kind() != path.Instance && !a.tree.isTable(p) }
