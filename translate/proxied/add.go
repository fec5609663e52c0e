// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package proxied

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp/uspmsg"
)

// add answers Add.
func (t *talk) add(ctx context.Context) (*uspmsg.Response, *uspmsg.Error) {
	type result = uspmsg.AddResp_CreatedObjectResult
	req := t.q.Request.GetAdd()
	w := write[*result]{
		partial: req.GetAllowPartial(),
		part: func(of []int, paths []string) *uspmsg.Request {
			a := &uspmsg.Add{AllowPartial: req.GetAllowPartial()}
			for k, i := range of {
				o, _ := proto.Clone(req.GetCreateObjs()[i]).(*uspmsg.Add_CreateObject)
				o.ObjPath = paths[k]
				a.CreateObjs = append(a.CreateObjs, o)
			}
			return &uspmsg.Request{ReqType: &uspmsg.Request_Add{Add: a}}
		},
		results: func(r *uspmsg.Response) []*result { return r.GetAddResp().GetCreatedObjResults() },
		failed: func(p string, e *uspmsg.Error) *result {
			return &result{RequestedPath: p, OperStatus: &uspmsg.AddResp_CreatedObjectResult_OperationStatus{
				OperStatus: &uspmsg.AddResp_CreatedObjectResult_OperationStatus_OperFailure{
					OperFailure: &uspmsg.AddResp_CreatedObjectResult_OperationStatus_OperationFailure{
						ErrCode: e.GetErrCode(), ErrMsg: e.GetErrMsg(),
					},
				},
			}}
		},
		rename:    func(r *result, p string) { r.RequestedPath = p },
		requested: (*result).GetRequestedPath,
	}
	for _, o := range req.GetCreateObjs() {
		w.objects = append(w.objects, o.GetObjPath())
	}
	return w.serve(ctx, t, func(all []*result) *uspmsg.Response {
		return &uspmsg.Response{RespType: &uspmsg.Response_AddResp{AddResp: &uspmsg.AddResp{CreatedObjResults: all}}}
	})
}
