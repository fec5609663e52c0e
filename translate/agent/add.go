// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"slices"

	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/translate/trust"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// creation is one CreateObject of an Add: a table, or several where its path
// searches, each of which gets a row.
type creation struct {
	query
	rows []*newRow
}

// newRow is one row to be made.
type newRow struct {
	table    string
	settings []*assignment
	remote   bool
	path     string // once it is made
	cpe      string // the CPE's name of it
	removed  bool   // it was made, and removed again
	err      *usp.Error
}

func (n *newRow) failure() *usp.Error {
	if n.err != nil {
		return n.err
	}
	if s := failedParam(n.settings); s != nil {
		return &usp.Error{Code: s.err.Code, Path: s.full(), Text: s.full() + ": " + s.err.Text}
	}
	return nil
}

// add answers Add. With allow_partial=false all rows are made or none [R-ADD.1,
// R-ADD.2a]: what was made before a failure is removed again.
func (a *Agent) add(ctx context.Context, r *request) (*uspmsg.Response, *uspmsg.Error) {
	req := r.req.GetAdd()
	if e := a.tooMany(len(req.GetCreateObjs())); e != nil {
		return nil, e
	}
	creations, large := a.planCreations(ctx, r, req.GetCreateObjs())
	if large != nil {
		return nil, asError(large)
	}
	a.makeQuietly(creations, 1)
	defer a.makeQuietly(creations, -1)
	if !req.GetAllowPartial() {
		if e := a.createAll(ctx, r, creations); e != nil {
			a.readCounts(ctx, r, removedFrom(creations))
			return nil, e
		}
	} else {
		for _, c := range creations {
			for _, n := range c.rows {
				a.create(ctx, r, n)
			}
		}
		a.readCounts(ctx, r, removedFrom(creations))
	}
	a.announce(ctx, r, creations)
	a.lock()
	defer a.unlock()
	resp := &uspmsg.AddResp{}
	for _, c := range creations {
		resp.CreatedObjResults = append(resp.CreatedObjResults, a.creationResults(c)...)
	}
	return &uspmsg.Response{RespType: &uspmsg.Response_AddResp{AddResp: resp}}, nil
}

// removedFrom returns the tables of the rows that were removed again.
func removedFrom(creations []*creation) []string {
	var tables []string
	for _, c := range creations {
		for _, n := range c.rows {
			if n.removed {
				tables = append(tables, n.table)
			}
		}
	}
	return tables
}

// planCreations resolves the tables and checks what can be checked before
// anything is made. The error is that it is too much at once.
func (a *Agent) planCreations(ctx context.Context, r *request, reqs []*uspmsg.Add_CreateObject,
) ([]*creation, *usp.Error) {
	texts := make([]string, len(reqs))
	for i, req := range reqs {
		texts[i] = req.GetObjPath()
	}
	queries, large := a.resolveForWrite(ctx, r, texts, isObject)
	if large != nil {
		return nil, large
	}
	a.lock()
	defer a.unlock()
	room, settings := a.meterFor(r), 0
	creations := make([]*creation, len(reqs))
	for i, req := range reqs {
		c := &creation{query: queries[i]}
		creations[i] = c
		if c.err == nil {
			c.err = a.isCreatable(c.path)
		}
		if c.err != nil {
			continue
		}
		settings += len(c.found) * max(len(req.GetParamSettings()), 1)
		if err := a.tooManySettings(settings); err != nil {
			return nil, err
		}
		for _, table := range c.found {
			n := a.planRow(r, table, req.GetParamSettings())
			if err := room.takeSettings(table, n.settings); err != nil {
				return nil, err
			}
			c.rows = append(c.rows, n)
		}
	}
	return creations, nil
}

// isCreatable refuses what is no table, or one that takes no rows.
func (a *Agent) isCreatable(p path.Path) *usp.Error {
	if err := a.isTable(p); err != nil {
		return err
	}
	if o := a.supportedObjectAt(p.Supported() + "{i}."); o == nil || !o.Add {
		return invalid(usp.CodeNonCreatable, "", "rows of this table cannot be made")
	}
	return nil
}

func (a *Agent) supportedObjectAt(generic string) *model.SupportedObject {
	if !isLocal(generic) && a.view != nil {
		if o := a.view.Supported().Object(generic); o != nil {
			return o
		}
	}
	if o := a.local.schema.byPath[generic]; o != nil {
		return &o.SupportedObject
	}
	return nil
}

func (a *Agent) planRow(r *request, table string, reqs []*uspmsg.Add_CreateParamSetting) *newRow {
	n := &newRow{table: table, remote: !isLocal(table), err: a.authorise(r.from, trust.Add, table)}
	for _, p := range reqs {
		s := &assignment{object: table, rel: p.GetParam(), value: p.GetValue(), required: p.GetRequired(), remote: n.remote}
		s.err = a.maySetNew(r.from, s)
		if s.err == nil && n.remote {
			s.err = a.checkNew(table, s)
		}
		n.settings = append(n.settings, s)
	}
	a.requireKeys(n)
	if n.remote && n.failure() == nil {
		a.checkNewKeys(n)
	}
	return n
}

// maySetNew says whether a Controller may set a parameter of a row that is not there
// yet. One that it may not set stops the row, required or not (TP-469 2.26).
func (a *Agent) maySetNew(c usp.EndpointID, s *assignment) *usp.Error {
	err := a.authorise(c, trust.WriteParam, s.object+newInstance+s.rel)
	if err != nil {
		s.required, err.Path = true, s.full()
	}
	return err
}

// newInstance is an instance number that no row has.
const newInstance = "0."

// checkNew checks a setting of a row of the CPE that is not there yet.
func (a *Agent) checkNew(table string, s *assignment) *usp.Error {
	p, ok := a.supportedParam(path.Generic(table) + "{i}." + s.rel)
	switch {
	case !ok:
		return invalid(usp.CodeUnsupportedParameter, s.full(), "no such parameter")
	case p.Access == model.ReadOnly:
		return invalid(usp.CodeNonWriteable, s.full(), "read-only")
	case !path.Valid(p.Type, s.value):
		return invalid(usp.CodeInvalidType, s.full(), "not of type "+p.Type.String())
	case !model.IsText(s.value):
		return invalid(usp.CodeInvalidValue, s.full(), model.NotText)
	}
	return nil
}

// requireKeys makes the settings of unique keys required: a row cannot have
// another key than the one it was asked for [R-ADD.3].
func (a *Agent) requireKeys(n *newRow) {
	o := a.supportedObjectAt(path.Generic(n.table) + "{i}.")
	if o == nil {
		return
	}
	for _, set := range o.Keys {
		for _, s := range n.settings {
			s.required = s.required || slices.Contains(set, s.rel)
		}
	}
}

// checkNewKeys refuses a row of the CPE with the unique key of another one, as
// far as the settings say what its key is.
func (a *Agent) checkNewKeys(n *newRow) {
	row := n.table + newInstance
	unit := make([]*assignment, len(n.settings))
	for i, s := range n.settings {
		unit[i] = &assignment{object: row, rel: s.rel, value: s.value, remote: true, err: s.err}
	}
	a.checkKeys(unit, row)
	for i, s := range n.settings {
		if s.err == nil && unit[i].err != nil {
			s.err = unit[i].err
			s.err.Path = s.full()
		}
	}
}

// creationErrors is the Error of an Add with allow_partial=false, nil if nothing
// failed.
func creationErrors(creations []*creation) *uspmsg.Error {
	var list errorList
	for _, c := range creations {
		list.addPath(c.text, c.err)
		for _, n := range c.rows {
			list.add(n.table, n.err)
			for _, s := range n.settings {
				if s.required && n.err == nil { // of the row there is nothing that could be named
					list.addPath(n.table+s.rel, s.err)
				}
			}
		}
	}
	return list.message()
}

// creationResults makes the results of one CreateObject, one for each row. The
// lock is held.
func (a *Agent) creationResults(c *creation) []*uspmsg.AddResp_CreatedObjectResult {
	type (
		status  = uspmsg.AddResp_CreatedObjectResult_OperationStatus
		failure = uspmsg.AddResp_CreatedObjectResult_OperationStatus_OperationFailure
		success = uspmsg.AddResp_CreatedObjectResult_OperationStatus_OperationSuccess
	)
	result := func(s *status) *uspmsg.AddResp_CreatedObjectResult {
		return &uspmsg.AddResp_CreatedObjectResult{RequestedPath: c.text, OperStatus: s}
	}
	fail := func(err *usp.Error) *status {
		return &status{OperStatus: &uspmsg.AddResp_CreatedObjectResult_OperationStatus_OperFailure{
			OperFailure: &failure{ErrCode: uint32(err.Code), ErrMsg: err.Text},
		}}
	}
	succeed := func(s *success) *status {
		return &status{OperStatus: &uspmsg.AddResp_CreatedObjectResult_OperationStatus_OperSuccess{OperSuccess: s}}
	}
	switch {
	case c.err != nil:
		return []*uspmsg.AddResp_CreatedObjectResult{result(fail(c.err))}
	case len(c.rows) == 0: // [R-MSG.4a] the search matched nothing
		return []*uspmsg.AddResp_CreatedObjectResult{result(succeed(&success{}))}
	}
	var results []*uspmsg.AddResp_CreatedObjectResult
	for _, n := range c.rows {
		if err := n.failure(); err != nil {
			results = append(results, result(fail(err)))
			continue
		}
		ok := &success{InstantiatedPath: n.path, UniqueKeys: a.keys(n.path)}
		for _, s := range n.settings {
			if s.err != nil {
				ok.ParamErrs = append(ok.ParamErrs, &uspmsg.AddResp_ParameterError{
					Param: s.rel, ErrCode: uint32(s.err.Code), ErrMsg: s.err.Text,
				})
			}
		}
		results = append(results, result(succeed(ok)))
	}
	return results
}
