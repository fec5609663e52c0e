// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package proxied

import (
	"context"
	"slices"
	"strings"

	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

type (
	instances = uspmsg.GetInstancesResp_RequestedPathResult
	instance  = uspmsg.GetInstancesResp_CurrInstance
)

// getInstances answers GetInstances. What a path means that is about several CPE, of which
// some do not answer, is said as in get.
func (t *talk) getInstances(ctx context.Context) (*uspmsg.Response, *uspmsg.Error) {
	req := t.q.Request.GetGetInstances()
	first := req.GetFirstLevelOnly()
	own := &uspmsg.GetInstances{FirstLevelOnly: first}
	list := make([]target, len(req.GetObjPaths()))
	for i, text := range req.GetObjPaths() {
		if list[i] = t.target(ctx, text); list[i].own {
			own.ObjPaths = append(own.ObjPaths, text)
		}
	}
	ownResp, fail := t.ownPart(ctx, len(own.GetObjPaths()) > 0, instancesRequest(own))
	if fail != nil {
		return nil, fail
	}
	t.q.Leave()
	resp := &uspmsg.GetInstancesResp{}
	mine := ownResp.GetGetInstancesResp().GetReqPathResults()
	for i, text := range req.GetObjPaths() {
		to := &list[i]
		switch {
		case to.own && len(mine) == 0:
			return nil, newError(usp.CodeInternalError, "no answer")
		case to.own:
			all := mine[0]
			mine = mine[1:]
			resp.ReqPathResults = append(resp.ReqPathResults, all)
			if text == agent.ProxiedTable && !first && all.GetErrCode() == 0 {
				resp.ReqPathResults = append(resp.ReqPathResults, t.allInstances(all)...)
			}
		case to.err != nil:
			resp.ReqPathResults = append(resp.ReqPathResults, &instances{
				RequestedPath: text, ErrCode: uint32(to.err.Code), ErrMsg: to.err.Text,
			})
		default:
			resp.ReqPathResults = append(resp.ReqPathResults, t.instancesIn(to, text, first)...)
		}
	}
	return t.fits(&uspmsg.Response{RespType: &uspmsg.Response_GetInstancesResp{GetInstancesResp: resp}})
}

func instancesRequest(g *uspmsg.GetInstances) *uspmsg.Request {
	return &uspmsg.Request{ReqType: &uspmsg.Request_GetInstances{GetInstances: g}}
}

// instancesIn asks the CPE that a path means.
func (t *talk) instancesIn(to *target, text string, first bool) []*instances {
	var questions []*question
	for _, m := range to.mounts {
		questions = append(questions, &question{mount: m, req: instancesRequest(&uspmsg.GetInstances{
			ObjPaths: []string{to.inside(m)}, FirstLevelOnly: first,
		})})
	}
	t.ask(questions, false)
	all := &instances{RequestedPath: text}
	failed := t.collect(all, questions, to.text)
	none := len(failed) > 0 && len(failed) == len(questions)
	if none && (to.one || !slices.ContainsFunc(failed, otherError)) {
		all.ErrCode, all.ErrMsg = failed[0].GetErrCode(), failed[0].GetErrMsg()
		return []*instances{all}
	}
	return append([]*instances{all}, slices.DeleteFunc(failed, func(r *instances) bool { return !otherError(r) })...)
}

// otherError reports an error that is not that a CPE does not have what is asked of it.
func otherError(r *instances) bool {
	return !isUnsupported(r.GetErrCode()) && r.GetErrCode() != uint32(usp.CodeNotATable)
}

// collect adds the rows of the answers to all, and returns the results of those that
// failed, with their own paths.
func (t *talk) collect(all *instances, questions []*question, text func(mount) string) []*instances {
	var failed []*instances
	for _, one := range questions {
		if one.err != nil {
			failed = append(failed, &instances{
				RequestedPath: text(one.mount), ErrCode: one.err.GetErrCode(), ErrMsg: one.err.GetErrMsg(),
			})
			continue
		}
		for _, r := range one.resp.GetGetInstancesResp().GetReqPathResults() {
			one.outMessage(r)
			if r.GetErrCode() != 0 {
				r.RequestedPath = text(one.mount)
				failed = append(failed, r)
				continue
			}
			all.CurrInsts = append(all.CurrInsts, r.GetCurrInsts()...)
		}
	}
	return failed
}

// allInstances adds to the rows of Device.ProxiedDevice. those of all tables in the CPE.
// What is returned are the results of CPE that do not answer.
func (t *talk) allInstances(all *instances) []*instances {
	shown := make(map[string]bool)
	for _, row := range all.GetCurrInsts() {
		shown[row.GetInstantiatedObjPath()] = true
	}
	var models []*question
	for _, m := range t.g.mounted() {
		if shown[m.row] {
			req := supportedRequest(&uspmsg.GetSupportedDM{ObjPaths: []string{root}})
			models = append(models, &question{mount: m, req: req})
		}
	}
	t.ask(models, false)
	var questions []*question
	for _, one := range models {
		if tables := topTables(one.resp); len(tables) > 0 {
			req := instancesRequest(&uspmsg.GetInstances{ObjPaths: tables})
			questions = append(questions, &question{mount: one.mount, req: req})
		}
		one.resp = nil
	}
	t.used.Store(0) // the data models are not part of the answer
	t.ask(questions, false)
	failed := t.collect(all, questions, func(m mount) string { return m.row })
	slices.SortStableFunc(all.GetCurrInsts(), func(x, y *instance) int {
		return order(x.GetInstantiatedObjPath(), y.GetInstantiatedObjPath())
	})
	failed = slices.DeleteFunc(failed, func(r *instances) bool { return !otherError(r) })
	return slices.CompactFunc(failed, func(x, y *instances) bool { return x.GetRequestedPath() == y.GetRequestedPath() })
}

// topTables returns the tables of a data model that are in no other table.
func topTables(resp *uspmsg.Response) []string {
	var tables []string
	for _, r := range resp.GetGetSupportedDmResp().GetReqObjResults() {
		for _, o := range r.GetSupportedObjs() {
			table, ok := strings.CutSuffix(o.GetSupportedObjPath(), "{i}.")
			if ok && !strings.Contains(table, "{i}") && !isHidden(table) {
				tables = append(tables, table)
			}
		}
	}
	return tables
}

// order is that of the data model.
func order(x, y string) int {
	switch {
	case path.Less(x, y):
		return -1
	case path.Less(y, x):
		return 1
	default:
		return 0
	}
}
