// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// get answers Get: every object with parameters is a result of its own
// [R-GET.2, R-GET.3, R-GET.5].
func (a *Agent) get(g *uspmsg.Get) *uspmsg.Msg {
	resp := &uspmsg.GetResp{}
	for _, requested := range g.GetParamPaths() {
		res := &uspmsg.GetResp_RequestedPathResult{RequestedPath: requested}
		resp.ReqPathResults = append(resp.ReqPathResults, res)
		found, err := a.readable(requested)
		if err != nil {
			res.ErrCode, res.ErrMsg = uint32(err.Code), err.Text
			continue
		}
		for _, f := range found {
			res.ResolvedPathResults = append(res.ResolvedPathResults, a.tree.read(f, int(g.GetMaxDepth()))...)
		}
	}
	return response(uspmsg.Header_GET_RESP, &uspmsg.Response{RespType: &uspmsg.Response_GetResp{GetResp: resp}})
}

// readable resolves a path of a Get. What is not in the instantiated data model is an
// invalid path, a search that finds nothing is not [R-GET.0, R-GET.1a].
func (a *Agent) readable(requested string) ([]string, *usp.Error) {
	p, found, err := a.tree.resolve(requested)
	switch {
	case err != nil && err.Code == usp.CodeObjectDoesNotExist:
		return nil, protocolErr(usp.CodeInvalidPath, "no such instance")
	case err != nil:
		return nil, err
	case p.Kind() == path.Command || p.Kind() == path.Event:
		return nil, protocolErr(usp.CodeInvalidPath, "neither an object nor a parameter")
	case p.Kind() != path.Parameter:
		return found, nil
	}
	found = slices.DeleteFunc(found, func(f string) bool { _, ok := a.tree.Value(f); return !ok })
	if len(found) == 0 && !p.IsSearch() {
		return nil, protocolErr(usp.CodeInvalidPath, "no such parameter")
	}
	return found, nil
}

// read returns one parameter, or the parameters below an object by object.
func (t *tree) read(found string, depth int) []*uspmsg.GetResp_ResolvedPathResult {
	if !strings.HasSuffix(found, ".") {
		object, name := split(found)
		v, _ := t.shown(found)
		return []*uspmsg.GetResp_ResolvedPathResult{{
			ResolvedPath: object, ResultParams: map[string]string{name: v},
		}}
	}
	results := make(map[string]*uspmsg.GetResp_ResolvedPathResult)
	var order []string
	for p := range t.values {
		if !strings.HasPrefix(p, found) {
			continue
		}
		object, name := split(p)
		if depth > 0 && levels(object[len(found):]) >= depth {
			continue
		}
		if results[object] == nil {
			results[object] = &uspmsg.GetResp_ResolvedPathResult{
				ResolvedPath: object, ResultParams: make(map[string]string),
			}
			order = append(order, object)
		}
		results[object].ResultParams[name], _ = t.shown(p)
	}
	slices.SortFunc(order, comparePaths)
	out := make([]*uspmsg.GetResp_ResolvedPathResult, len(order))
	for i, object := range order {
		out[i] = results[object]
	}
	return out
}

// levels counts the names in a relative object path; instances are no level.
func levels(object string) int {
	return strings.Count(strings.ReplaceAll(path.Generic("x."+object), "{i}.", ""), ".") - 1
}

func comparePaths(x, y string) int {
	switch {
	case x == y:
		return 0
	case path.Less(x, y):
		return -1
	default:
		return 1
	}
}
