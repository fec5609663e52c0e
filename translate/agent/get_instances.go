// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/translate/trust"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// getInstances answers GetInstances.
func (a *Agent) getInstances(ctx context.Context, r *request) (*uspmsg.Response, *uspmsg.Error) {
	req := r.req.GetGetInstances()
	if e := a.tooMany(len(req.GetObjPaths())); e != nil {
		return nil, e
	}
	queries, large := a.resolveFresh(ctx, r, req.GetObjPaths(), isObject)
	if large != nil {
		return nil, asError(large)
	}
	a.lock()
	defer a.unlock()
	resp := &uspmsg.GetInstancesResp{}
	var below []*model.SupportedObject // for the tables in the rows
	if !req.GetFirstLevelOnly() {
		below = a.supported(a.shownOfCPE())
	}
	room := a.newMeter()
	shared := make(map[string]*rowLister, len(queries))
	for i := range queries {
		l := shared[queries[i].text]
		if l == nil {
			l = &rowLister{a: a, r: r, below: below, room: room.limit - room.used}
			l.list(&queries[i])
			shared[queries[i].text] = l
		}
		if err := room.take(l.size); err != nil {
			return nil, asError(err)
		}
		resp.ReqPathResults = append(resp.ReqPathResults, l.to)
	}
	return &uspmsg.Response{RespType: &uspmsg.Response_GetInstancesResp{GetInstancesResp: resp}}, nil
}

// rowLister makes the result of one path, which is answered as often as the path
// is in the request.
type rowLister struct {
	a     *Agent
	r     *request
	below []*model.SupportedObject // of which the tables in the rows are
	to    *uspmsg.GetInstancesResp_RequestedPathResult
	size  int // at most, encoded
	room  int // where it stops
}

// list makes the result.
func (l *rowLister) list(q *query) {
	l.to = &uspmsg.GetInstancesResp_RequestedPathResult{RequestedPath: q.text}
	l.size = overResult + len(q.text)
	err := q.err
	if err == nil {
		err = l.a.isTable(q.path)
	}
	for _, table := range q.found {
		if err == nil {
			err = l.rows(table)
		}
	}
	if err != nil {
		l.to.ErrCode, l.to.ErrMsg, l.to.CurrInsts = uint32(err.Code), err.Text, nil
		l.size = overResult + len(q.text) + overString + len(err.Text)
	}
}

func isObject(p path.Path) *usp.Error {
	if k := p.Kind(); k == path.Object || k == path.Instance {
		return nil
	}
	return invalid(usp.CodeNotATable, "", "not the path of an object")
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

// rows adds the rows of a table, and those of the tables in them.
func (l *rowLister) rows(table string) *usp.Error {
	a := l.a
	for _, n := range slices.Clone(tree{a}.Instances(table)) {
		if l.size > l.room {
			return nil
		}
		row := table + strconv.FormatUint(uint64(n), 10) + "."
		if !a.may(l.r.from, trust.ReadInstance, row) {
			continue // [R-GIN.0]
		}
		if len(l.to.GetCurrInsts()) >= a.host.opts.Paths {
			return invalid(usp.CodeResourcesExceeded, "", "more than "+number(a.host.opts.Paths)+" instances")
		}
		keys := a.keys(row)
		l.to.CurrInsts = append(l.to.CurrInsts, &uspmsg.GetInstancesResp_CurrInstance{
			InstantiatedObjPath: row, UniqueKeys: keys,
		})
		l.size += overResult + len(row) + sizeOf(keys)
		for _, sub := range tablesIn(row, l.below) {
			if err := l.rows(sub); err != nil {
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
