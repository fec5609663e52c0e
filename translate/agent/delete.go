// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"strings"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/trust"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// deletion is one path of a Delete, and the rows that it means.
type deletion struct {
	query
	rows []*oldRow
}

// oldRow is one row to be removed.
type oldRow struct {
	path string
	cpe  []string // the CPE's names of it; none for a local row
	gone bool     // removed from the CPE
	err  *usp.Error
}

// delete answers Delete. With allow_partial=false all is looked at before
// anything is done [R-DEL.1]; what the CPE has removed it cannot bring back, so
// a failure after that is answered with 7800 and named.
func (a *Agent) delete(ctx context.Context, r *request) (*uspmsg.Response, *uspmsg.Error) {
	req := r.req.GetDelete()
	if e := a.tooMany(len(req.GetObjPaths())); e != nil {
		return nil, e
	}
	deletions, large := a.planDeletions(ctx, r, req)
	if large != nil {
		return nil, asError(large)
	}
	if !req.GetAllowPartial() {
		e := a.deleteAll(ctx, r, deletions)
		a.recount(ctx, r, deletions)
		if e != nil {
			return nil, e
		}
	} else {
		for _, d := range deletions {
			for _, row := range d.rows {
				a.deleteRow(ctx, r, row)
			}
		}
		a.recount(ctx, r, deletions)
	}
	resp := &uspmsg.DeleteResp{}
	for _, d := range deletions {
		resp.DeletedObjResults = append(resp.DeletedObjResults, d.result())
	}
	return &uspmsg.Response{RespType: &uspmsg.Response_DeleteResp{DeleteResp: resp}}, nil
}

// recount reads the numbers of entries that the deletions have changed.
func (a *Agent) recount(ctx context.Context, r *request, deletions []*deletion) {
	var tables []string
	for _, d := range deletions {
		for _, row := range d.rows {
			if row.gone {
				tables = append(tables, tableOf(row.path))
			}
		}
	}
	a.readCounts(ctx, r, tables)
}

// readCounts reads the numbers of entries of tables of the CPE; those that
// cannot be read now are read in the next session.
func (a *Agent) readCounts(ctx context.Context, r *request, tables []string) {
	if len(tables) == 0 {
		return
	}
	var names []string
	a.lock()
	for _, t := range tables {
		names = append(names, a.countSources(t)...)
	}
	a.unlock()
	if err := a.read(ctx, r.call, withoutCovered(names)).any(); err != nil {
		a.log.Debug("numbers of entries were not read", zap.Error(err))
		a.lock()
		defer a.unlock()
		a.doubt(tables...)
	}
}

// countSources returns the CPE names of the number of entries of a table.
func (a *Agent) countSources(table string) []string {
	param := strings.TrimSuffix(table, ".") + "NumberOfEntries"
	if _, ok := a.view.Param(param); !ok {
		return nil
	}
	return a.view.Sources(param)
}

// planDeletions resolves the paths and checks that the rows may go. A row that
// is not there is no failure (TP-469 1.25), unless it is asked for. The error is
// that it is too much at once.
func (a *Agent) planDeletions(ctx context.Context, r *request, req *uspmsg.Delete) ([]*deletion, *usp.Error) {
	strict := a.host.opts.StrictDelete && !req.GetAllowPartial()
	queries, large := a.resolveForWrite(ctx, r, req.GetObjPaths(), isObject)
	if large != nil {
		return nil, large
	}
	a.lock()
	defer a.unlock()
	deletions := make([]*deletion, len(queries))
	for i := range queries {
		d := &deletion{query: queries[i]}
		deletions[i] = d
		if d.err != nil && d.err.Code == usp.CodeObjectDoesNotExist && !strict {
			d.err = nil
		}
		if d.err == nil {
			d.err = a.isDeletable(d.path)
		}
		if d.err != nil {
			continue
		}
		for _, p := range d.found {
			row := &oldRow{path: p, err: a.authorise(r.from, trust.Delete, p)}
			if row.err == nil {
				row.err = a.local.mayRemove(p)
			}
			if row.err == nil && !isLocal(p) {
				names, err := a.view.PlanDelete(p)
				row.cpe, row.err = names, uspError(err)
			}
			d.rows = append(d.rows, row)
		}
	}
	return deletions, nil
}

// isDeletable refuses what is no row, or one that has to stay.
func (a *Agent) isDeletable(p path.Path) *usp.Error {
	if p.Kind() != path.Instance {
		if a.isTable(p) == nil {
			return invalid(usp.CodeInvalidArguments, "", "a table: name the rows that shall go")
		}
		return invalid(usp.CodeNotATable, "", "not an instance of a table")
	}
	if o := a.supportedObjectAt(p.Supported()); o == nil || !o.Delete {
		return invalid(usp.CodeDeleteFailure, "", "rows of this table cannot be removed")
	}
	return nil
}

// deleteRow removes one row. A row that went with another one is gone.
func (a *Agent) deleteRow(ctx context.Context, r *request, row *oldRow) {
	if row.err != nil {
		return
	}
	if len(row.cpe) == 0 {
		a.lock()
		defer a.unlock()
		t := a.local.begin()
		t.removeOnce(row.path)
		t.commit()
		return
	}
	a.deleteRemote(ctx, r, row)
}

func (t *tx) removeOnce(row string) {
	if t.l.exists(row) {
		t.remove(row)
	}
}

// deleteRemote removes one row of the CPE.
func (a *Agent) deleteRemote(ctx context.Context, r *request, row *oldRow) {
	a.lock()
	there := a.exists(row.path)
	a.unlock()
	if !there {
		return
	}
	for i, name := range row.cpe {
		_, err := r.write(ctx, &cwmp.DeleteObject{ObjectName: name, ParameterKey: parameterKey})
		gone := isFault(err, cwmp.FaultInvalidParameterName)
		if err != nil && !gone {
			row.err = a.deleteFailed(row, err, i > 0)
			return
		}
		row.gone = true
		a.lock()
		a.publish(a.view.SetNames(name, nil))
		a.unlock()
	}
}

func (a *Agent) deleteFailed(row *oldRow, err error, begun bool) *usp.Error {
	e := cpeError(err, row.path)
	switch {
	case errors.Is(err, device.ErrOutcomeUnknown):
		a.lock()
		defer a.unlock()
		a.doubt(tableOf(row.path))
	case begun:
		e = &usp.Error{Code: usp.CodeOutcomeUnknown, Path: row.path, Text: e.Text + "; a part of the row is gone"}
	case isFault(err) && e.Code != usp.CodeRequestDenied:
		e.Code = usp.CodeDeleteFailure
	}
	return e
}

// deleteAll removes all rows or answers an Error. The local tree comes first:
// it can be undone.
func (a *Agent) deleteAll(ctx context.Context, r *request, deletions []*deletion) *uspmsg.Error {
	if e := deletionErrors(deletions); e != nil {
		return e
	}
	a.lock()
	t := a.local.begin()
	var remote []*oldRow
	for _, d := range deletions {
		for _, row := range d.rows {
			if len(row.cpe) > 0 {
				remote = append(remote, row)
			} else {
				t.removeOnce(row.path)
			}
		}
	}
	a.unlock()
	var gone []string
	for _, row := range remote {
		if a.deleteRemote(ctx, r, row); row.err != nil {
			if len(gone) > 0 {
				row.err = &usp.Error{
					Code: usp.CodeOutcomeUnknown, Path: row.path,
					Text: row.err.Text + "; gone already, and not to be brought back: " + strings.Join(gone, " "),
				}
			}
			break
		}
		gone = append(gone, row.path)
	}
	a.lock()
	defer a.unlock()
	e := deletionErrors(deletions)
	if e != nil {
		t.rollback()
	}
	t.commit()
	return e
}

func deletionErrors(deletions []*deletion) *uspmsg.Error {
	var list errorList
	for _, d := range deletions {
		list.addPath(d.text, d.err)
		for _, row := range d.rows {
			list.add(row.path, row.err)
		}
	}
	return list.message()
}

// result makes the result of one path [R-DEL.3]: a failure where no row could
// be removed, for each reason; otherwise a success, with the rows that stayed.
func (d *deletion) result() *uspmsg.DeleteResp_DeletedObjectResult {
	type (
		status  = uspmsg.DeleteResp_DeletedObjectResult_OperationStatus
		failure = uspmsg.DeleteResp_DeletedObjectResult_OperationStatus_OperationFailure
		success = uspmsg.DeleteResp_DeletedObjectResult_OperationStatus_OperationSuccess
	)
	fail := d.err
	ok := &success{}
	for _, row := range d.rows {
		if row.err == nil {
			ok.AffectedPaths = append(ok.AffectedPaths, row.path)
			continue
		}
		fail = row.err
		ok.UnaffectedPathErrs = append(ok.UnaffectedPathErrs, &uspmsg.DeleteResp_UnaffectedPathError{
			UnaffectedPath: row.path, ErrCode: uint32(row.err.Code), ErrMsg: row.err.Text,
		})
	}
	out := &uspmsg.DeleteResp_DeletedObjectResult{RequestedPath: d.text, OperStatus: &status{}}
	if fail != nil && len(ok.GetAffectedPaths()) == 0 {
		out.OperStatus.OperStatus = &uspmsg.DeleteResp_DeletedObjectResult_OperationStatus_OperFailure{
			OperFailure: &failure{ErrCode: uint32(fail.Code), ErrMsg: fail.Text},
		}
	} else {
		out.OperStatus.OperStatus = &uspmsg.DeleteResp_DeletedObjectResult_OperationStatus_OperSuccess{OperSuccess: ok}
	}
	return out
}
