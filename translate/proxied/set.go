// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package proxied

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp/uspmsg"
)

// set answers Set.
func (t *talk) set(ctx context.Context) (*uspmsg.Response, *uspmsg.Error) {
	type result = uspmsg.SetResp_UpdatedObjectResult
	req := t.q.Request.GetSet()
	w := write[*result]{
		partial: req.GetAllowPartial(),
		part: func(of []int, paths []string) *uspmsg.Request {
			s := &uspmsg.Set{AllowPartial: req.GetAllowPartial()}
			for k, i := range of {
				o, _ := proto.Clone(req.GetUpdateObjs()[i]).(*uspmsg.Set_UpdateObject)
				o.ObjPath = paths[k]
				s.UpdateObjs = append(s.UpdateObjs, o)
			}
			return &uspmsg.Request{ReqType: &uspmsg.Request_Set{Set: s}}
		},
		results: func(r *uspmsg.Response) []*result { return r.GetSetResp().GetUpdatedObjResults() },
		failed: func(p string, e *uspmsg.Error) *result {
			return &result{RequestedPath: p, OperStatus: &uspmsg.SetResp_UpdatedObjectResult_OperationStatus{
				OperStatus: &uspmsg.SetResp_UpdatedObjectResult_OperationStatus_OperFailure{
					OperFailure: &uspmsg.SetResp_UpdatedObjectResult_OperationStatus_OperationFailure{
						ErrCode: e.GetErrCode(), ErrMsg: e.GetErrMsg(),
					},
				},
			}}
		},
		rename:    func(r *result, p string) { r.RequestedPath = p },
		requested: (*result).GetRequestedPath,
	}
	for _, o := range req.GetUpdateObjs() {
		w.objects = append(w.objects, o.GetObjPath())
	}
	return w.serve(ctx, t, func(all []*result) *uspmsg.Response {
		return &uspmsg.Response{RespType: &uspmsg.Response_SetResp{SetResp: &uspmsg.SetResp{UpdatedObjResults: all}}}
	})
}
