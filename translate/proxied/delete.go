// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package proxied

import (
	"context"

	"github.com/uspgate/uspgate/usp/uspmsg"
)

// delete answers Delete.
func (t *talk) delete(ctx context.Context) (*uspmsg.Response, *uspmsg.Error) {
	type result = uspmsg.DeleteResp_DeletedObjectResult
	req := t.q.Request.GetDelete()
	w := write[*result]{
		partial: req.GetAllowPartial(), objects: req.GetObjPaths(),
		part: func(_ []int, paths []string) *uspmsg.Request {
			return &uspmsg.Request{ReqType: &uspmsg.Request_Delete{
				Delete: &uspmsg.Delete{AllowPartial: req.GetAllowPartial(), ObjPaths: append([]string(nil), paths...)},
			}}
		},
		results: func(r *uspmsg.Response) []*result { return r.GetDeleteResp().GetDeletedObjResults() },
		failed: func(p string, e *uspmsg.Error) *result {
			return &result{RequestedPath: p, OperStatus: &uspmsg.DeleteResp_DeletedObjectResult_OperationStatus{
				OperStatus: &uspmsg.DeleteResp_DeletedObjectResult_OperationStatus_OperFailure{
					OperFailure: &uspmsg.DeleteResp_DeletedObjectResult_OperationStatus_OperationFailure{
						ErrCode: e.GetErrCode(), ErrMsg: e.GetErrMsg(),
					},
				},
			}}
		},
		rename:    func(r *result, p string) { r.RequestedPath = p },
		requested: (*result).GetRequestedPath,
	}
	return w.serve(ctx, t, func(all []*result) *uspmsg.Response {
		return &uspmsg.Response{RespType: &uspmsg.Response_DeleteResp{DeleteResp: &uspmsg.DeleteResp{DeletedObjResults: all}}}
	})
}
