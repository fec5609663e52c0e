// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package proxied

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// wanted is one path of a Get.
type wanted struct {
	target

	text  string
	ownAt int      // in the Get for the own tree
	parts []partAt // of the Gets for Virtual Agents
	rows  bool     // an object above the CPE, which are below it
	depth uint32   // as the Virtual Agents count
}

// partAt is where the answer of one Virtual Agent to a path is.
type partAt struct {
	*question

	at int
}

func getRequest(g *uspmsg.Get) *uspmsg.Request {
	return &uspmsg.Request{ReqType: &uspmsg.Request_Get{Get: g}}
}

// get answers Get: each Virtual Agent is asked once, for all paths together.
//
// Deviation: of a path that means several CPE, of which some do not answer, the others are
// in its result, and those that do not have a further result each, with their own path and
// error. USP has one error for a path, and one CPE must not hide all others. A path that
// only some CPE support has what these have of it.
func (t *talk) get(ctx context.Context) (*uspmsg.Response, *uspmsg.Error) {
	req := t.q.Request.GetGet()
	list := make([]*wanted, len(req.GetParamPaths()))
	own := &uspmsg.Get{MaxDepth: req.GetMaxDepth()}
	for i, text := range req.GetParamPaths() {
		w := &wanted{target: t.target(ctx, text), text: text, depth: req.GetMaxDepth()}
		list[i] = w
		if w.own {
			w.ownAt = len(own.GetParamPaths())
			own.ParamPaths = append(own.ParamPaths, text)
			t.addRows(ctx, w)
		}
	}
	questions := gather(list)
	ownResp, fail := t.ownPart(ctx, len(own.GetParamPaths()) > 0, getRequest(own))
	if fail != nil {
		return nil, fail
	}
	t.ask(questions, true)
	resp := &uspmsg.GetResp{}
	for _, w := range list {
		var mine *uspmsg.GetResp_RequestedPathResult
		if results := ownResp.GetGetResp().GetReqPathResults(); w.own && w.ownAt < len(results) {
			mine = results[w.ownAt]
		}
		resp.ReqPathResults = append(resp.ReqPathResults, w.results(mine, t.paths)...)
	}
	return t.fits(&uspmsg.Response{RespType: &uspmsg.Response_GetResp{GetResp: resp}})
}

// ownPart has the own tree answer, if there is anything to ask it.
func (t *talk) ownPart(ctx context.Context, some bool, req *uspmsg.Request) (*uspmsg.Response, *uspmsg.Error) {
	if !some {
		return nil, nil
	}
	return t.q.Own(ctx, req)
}

// addRows adds to an object above the CPE what is below it, as far as the depth goes: a
// level more for each object, where a row and its table are one.
func (t *talk) addRows(ctx context.Context, w *wanted) {
	rows, below, ok := agent.SplitMount(w.text)
	switch {
	case ok && below == "" && strings.HasSuffix(w.text, "."):
	case w.text == agent.ProxiedTable:
		rows = "*"
	case w.text == root:
		if rows = "*"; w.depth > 0 {
			w.depth--
			if w.depth == 0 {
				return
			}
		}
	default:
		return
	}
	if w.depth == 1 {
		return // nothing below the row
	}
	var err *usp.Error
	if w.mounts, w.one, err = t.rows(ctx, rows); err != nil {
		return // the own tree says so
	}
	w.rows = true
}

// gather makes the questions, one for each Virtual Agent and depth.
func gather(list []*wanted) []*question {
	type key struct {
		number, depth uint32
	}
	byKey := make(map[key]*question)
	var all []*question
	for _, w := range list {
		for _, m := range w.mounts {
			k := key{m.number, w.depth}
			one := byKey[k]
			if one == nil {
				one = &question{mount: m, req: getRequest(&uspmsg.Get{MaxDepth: w.depth})}
				byKey[k] = one
				all = append(all, one)
			}
			get := one.req.GetGet()
			w.parts = append(w.parts, partAt{one, len(get.GetParamPaths())})
			get.ParamPaths = append(get.ParamPaths, w.inside(m))
		}
	}
	return all
}

// results puts the answers to one path together.
func (w *wanted) results(own *uspmsg.GetResp_RequestedPathResult, limit int) []*uspmsg.GetResp_RequestedPathResult {
	all := &uspmsg.GetResp_RequestedPathResult{RequestedPath: w.text}
	if own != nil {
		all = own
	}
	if w.err != nil {
		code := w.err.Code
		if code == usp.CodeObjectDoesNotExist {
			code = usp.CodeInvalidPath // not in the instantiated data model [R-GET.0]
		}
		all.ErrCode, all.ErrMsg = uint32(code), w.err.Text
		return []*uspmsg.GetResp_RequestedPathResult{all}
	}
	var failed []*uspmsg.GetResp_RequestedPathResult
	some := own != nil && own.GetErrCode() == 0
	for _, part := range w.parts {
		r := part.result()
		if r.GetErrCode() != 0 {
			r.RequestedPath, r.ResolvedPathResults = w.text1(part.mount), nil
			failed = append(failed, r)
			continue
		}
		some = true
		all.ResolvedPathResults = append(all.ResolvedPathResults, w.shown(part.mount, r)...)
	}
	if len(all.GetResolvedPathResults()) > limit {
		all.ResolvedPathResults = nil
		all.ErrCode, all.ErrMsg = uint32(usp.CodeResourcesExceeded), "more objects than a path may mean"
		return []*uspmsg.GetResp_RequestedPathResult{all}
	}
	if w.rows {
		slices.SortStableFunc(all.GetResolvedPathResults(), func(x, y *uspmsg.GetResp_ResolvedPathResult) int {
			return order(x.GetResolvedPath(), y.GetResolvedPath())
		})
	}
	if len(failed) > 0 && !some && (w.one || allUnsupported(failed)) {
		all.ErrCode, all.ErrMsg = failed[0].GetErrCode(), failed[0].GetErrMsg()
		return []*uspmsg.GetResp_RequestedPathResult{all}
	}
	failed = slices.DeleteFunc(failed, unsupported)
	return append([]*uspmsg.GetResp_RequestedPathResult{all}, failed...)
}

// text1 is the path in one of the CPE.
func (w *wanted) text1(m mount) string {
	if w.rows {
		return m.row
	}
	return w.target.text(m)
}

// result is what one Virtual Agent says of a path, rewritten.
func (p partAt) result() *uspmsg.GetResp_RequestedPathResult {
	if p.err != nil {
		return &uspmsg.GetResp_RequestedPathResult{ErrCode: p.err.GetErrCode(), ErrMsg: p.err.GetErrMsg()}
	}
	results := p.resp.GetGetResp().GetReqPathResults()
	if p.at >= len(results) {
		return &uspmsg.GetResp_RequestedPathResult{ErrCode: uint32(usp.CodeInternalError), ErrMsg: "no answer"}
	}
	r, _ := proto.Clone(results[p.at]).(*uspmsg.GetResp_RequestedPathResult)
	own := func(o *uspmsg.GetResp_ResolvedPathResult) bool { return isHidden(o.GetResolvedPath()) }
	r.ResolvedPathResults = slices.DeleteFunc(r.GetResolvedPathResults(), own)
	p.outMessage(r)
	return r
}

// shown leaves out what is not below the mount: the parameters of Device. itself.
func (w *wanted) shown(m mount, r *uspmsg.GetResp_RequestedPathResult) []*uspmsg.GetResp_ResolvedPathResult {
	return slices.DeleteFunc(r.GetResolvedPathResults(), func(o *uspmsg.GetResp_ResolvedPathResult) bool {
		return o.GetResolvedPath() == m.row
	})
}

// isUnsupported reports that a CPE does not have what is asked of it.
func isUnsupported(code uint32) bool {
	return code == uint32(usp.CodeInvalidPath) || code == uint32(usp.CodeObjectDoesNotExist)
}

func unsupported(r *uspmsg.GetResp_RequestedPathResult) bool { return isUnsupported(r.GetErrCode()) }

func allUnsupported(list []*uspmsg.GetResp_RequestedPathResult) bool {
	return !slices.ContainsFunc(list, func(r *uspmsg.GetResp_RequestedPathResult) bool { return !unsupported(r) })
}
