// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// getInstances answers GetInstances.
func (a *Agent) getInstances(ctx context.Context, r *request) (*uspmsg.Response, *uspmsg.Error) {
	req := r.req.GetGetInstances()
	queries := a.resolveFresh(ctx, r, req.GetObjPaths(), isObject)
	a.lock()
	defer a.unlock()
	resp := &uspmsg.GetInstancesResp{}
	var below []*model.SupportedObject // for the tables in the rows
	if !req.GetFirstLevelOnly() {
		below = a.supported()
	}
	for i := range queries {
		q := &queries[i]
		result := &uspmsg.GetInstancesResp_RequestedPathResult{RequestedPath: q.text}
		if q.err == nil {
			q.err = a.isTable(q.path)
		}
		for _, table := range q.found {
			if q.err == nil {
				q.err = a.listRows(r, table, below, result)
			}
		}
		if q.err != nil {
			result.ErrCode, result.ErrMsg, result.CurrInsts = uint32(q.err.Code), q.err.Text, nil
		}
		resp.ReqPathResults = append(resp.ReqPathResults, result)
	}
	return &uspmsg.Response{RespType: &uspmsg.Response_GetInstancesResp{GetInstancesResp: resp}}, nil
}

func isObject(p path.Path) *usp.Error {
	if k := p.Kind(); k == path.Object || k == path.Instance {
		return nil
	}
	return invalid(usp.CodeInvalidArguments, "", "not the path of an object")
}

// isTable refuses what is not a multi-instance object.
func (a *Agent) isTable(p path.Path) *usp.Error {
	if p.Kind() == path.Object {
		if multi, ok := (tree{a}).SupportedObject(p.Supported() + "{i}."); ok && multi {
			return nil
		}
	}
	return invalid(usp.CodeNotATable, "", "not a multi-instance object")
}

// listRows adds the rows of a table, and those of the tables in them that are
// among below.
func (a *Agent) listRows(r *request, table string, below []*model.SupportedObject,
	to *uspmsg.GetInstancesResp_RequestedPathResult,
) *usp.Error {
	for _, n := range slices.Clone(tree{a}.Instances(table)) {
		row := table + strconv.FormatUint(uint64(n), 10) + "."
		if a.authorise(r.from, actRead, row) != nil {
			continue // [R-GIN.0]
		}
		if len(to.GetCurrInsts()) >= a.host.opts.Paths {
			return invalid(usp.CodeResourcesExceeded, "", "more than "+number(a.host.opts.Paths)+" instances")
		}
		to.CurrInsts = append(to.CurrInsts, &uspmsg.GetInstancesResp_CurrInstance{
			InstantiatedObjPath: row, UniqueKeys: a.keys(row),
		})
		for _, sub := range tablesIn(row, below) {
			if err := a.listRows(r, sub, below, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// tablesIn returns the tables below a row that no other table is between.
func tablesIn(row string, objects []*model.SupportedObject) []string {
	generic := path.Generic(row)
	var tables []string
	for _, o := range objects {
		rest, ok := strings.CutPrefix(o.Path, generic)
		rest, multi := strings.CutSuffix(rest, "{i}.")
		if ok && multi && !strings.Contains(rest, "{i}") {
			tables = append(tables, row+rest)
		}
	}
	return tables
}
