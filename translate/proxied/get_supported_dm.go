// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package proxied

import (
	"context"
	"slices"
	"strings"

	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

type supported = uspmsg.GetSupportedDMResp_RequestedObjectResult

func supportedRequest(g *uspmsg.GetSupportedDM) *uspmsg.Request {
	return &uspmsg.Request{ReqType: &uspmsg.Request_GetSupportedDm{GetSupportedDm: g}}
}

// getSupportedDM answers GetSupportedDM: for Device. and the mount point as a whole, with
// the rows as divergent_paths of Device.ProxiedDevice.{i}.; for a row, or what is in one, with
// what its CPE has, in paths with {i} throughout.
//
// Deviation: the commands and events of Device. itself, Reboot() and Boot! above all, are
// those of the row, such as Device.ProxiedDevice.1.Reboot(): TR-181 has no object that could
// be mounted with them.
func (t *talk) getSupportedDM(ctx context.Context) (*uspmsg.Response, *uspmsg.Error) {
	req := t.q.Request.GetGetSupportedDm()
	own := like(req)
	list := make([]target, len(req.GetObjPaths()))
	for i, text := range req.GetObjPaths() {
		if list[i] = t.supportedTarget(ctx, text); list[i].own {
			own.ObjPaths = append(own.ObjPaths, text)
		}
	}
	ownResp, fail := t.ownPart(ctx, len(own.GetObjPaths()) > 0, supportedRequest(own))
	if fail != nil {
		return nil, fail
	}
	mine := ownResp.GetGetSupportedDmResp().GetReqObjResults()
	var questions []*question
	for i := range list {
		for _, m := range list[i].mounts { // one at most
			r := like(req)
			r.ObjPaths = []string{root + list[i].below}
			questions = append(questions, &question{mount: m, req: supportedRequest(r)})
		}
	}
	t.ask(questions, true)
	resp := &uspmsg.GetSupportedDMResp{}
	for i, text := range req.GetObjPaths() {
		to := &list[i]
		r := &supported{ReqObjPath: text}
		if to.own && len(mine) > 0 {
			r, mine = mine[0], mine[1:]
			t.diverge(r)
		}
		if to.err != nil {
			r.ErrCode, r.ErrMsg = uint32(to.err.Code), to.err.Text
		}
		if len(to.mounts) > 0 {
			questions[0].add(r, to.own)
			questions = questions[1:]
		}
		resp.ReqObjResults = append(resp.ReqObjResults, r)
	}
	return t.fits(&uspmsg.Response{RespType: &uspmsg.Response_GetSupportedDmResp{GetSupportedDmResp: resp}})
}

func like(g *uspmsg.GetSupportedDM) *uspmsg.GetSupportedDM {
	return &uspmsg.GetSupportedDM{
		FirstLevelOnly: g.GetFirstLevelOnly(), ReturnCommands: g.GetReturnCommands(), ReturnEvents: g.GetReturnEvents(),
		ReturnParams: g.GetReturnParams(), ReturnUniqueKeySets: g.GetReturnUniqueKeySets(),
	}
}

// supportedTarget is target, where a row as a whole is also in its CPE.
func (t *talk) supportedTarget(ctx context.Context, text string) target {
	rows, below, ok := agent.SplitMount(text)
	if !ok {
		return target{own: true}
	}
	if rows == "{i}" || rows == "*" {
		if below == "" || !agent.InMount(below) {
			return target{own: true}
		}
		return target{err: &usp.Error{
			Code: usp.CodeInvalidPath, Text: "CPE differ in what they have here: ask for each of divergent_paths",
		}}
	}
	if below == "" && strings.HasSuffix(text, ".") {
		to := target{own: true}
		to.mounts, to.one, to.err = t.rows(ctx, rows)
		if to.err != nil {
			to.own, to.err.Code = false, usp.CodeInvalidPath
		}
		return to
	}
	to := t.target(ctx, text)
	if to.err != nil && to.err.Code == usp.CodeObjectDoesNotExist {
		to.err.Code = usp.CodeInvalidPath
	}
	return to
}

// diverge names the rows where the data models differ.
func (t *talk) diverge(r *supported) {
	for _, o := range r.GetSupportedObjs() {
		if o.GetSupportedObjPath() != genericRow || strings.HasPrefix(r.GetReqObjPath(), agent.ProxiedTable) &&
			r.GetReqObjPath() != agent.ProxiedTable && r.GetReqObjPath() != genericRow {
			continue
		}
		for _, m := range t.g.mounted() {
			if t.q.Sees(m.number) {
				o.DivergentPaths = append(o.DivergentPaths, m.row)
			}
		}
	}
}

// add adds what a CPE supports to a result; row says that this is about the row as a whole.
func (one *question) add(r *supported, row bool) {
	if one.err != nil {
		r.ErrCode, r.ErrMsg, r.SupportedObjs = one.err.GetErrCode(), one.err.GetErrMsg(), nil
		return
	}
	generic := mount{row: genericRow}
	for _, theirs := range one.resp.GetGetSupportedDmResp().GetReqObjResults() {
		if theirs.GetErrCode() != 0 {
			r.ErrCode, r.ErrMsg = theirs.GetErrCode(), one.outText(theirs.GetErrMsg())
			return
		}
		if r.GetDataModelInstUri() == "" {
			r.DataModelInstUri = theirs.GetDataModelInstUri()
		}
		for _, o := range theirs.GetSupportedObjs() {
			switch {
			case isHidden(o.GetSupportedObjPath()):
			case o.GetSupportedObjPath() == root && row && len(r.GetSupportedObjs()) > 0:
				mine := r.GetSupportedObjs()[0]
				mine.SupportedCommands = slices.Concat(mine.GetSupportedCommands(), o.GetSupportedCommands())
				mine.SupportedEvents = slices.Concat(mine.GetSupportedEvents(), o.GetSupportedEvents())
			default:
				o.SupportedObjPath = generic.out(o.GetSupportedObjPath())
				r.SupportedObjs = append(r.SupportedObjs, o)
			}
		}
	}
}
