// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"slices"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// update is one UpdateObject of a Set: a path and the objects that it means.
type update struct {
	query
	objects [][]*assignment // one list for each object of query.found
}

// all returns the assignments of all objects.
func (u *update) all() []*assignment {
	var all []*assignment
	for _, o := range u.objects {
		all = append(all, o...)
	}
	return all
}

// failure returns why the update as a whole fails, nil if it does not.
func (u *update) failure() *usp.Error {
	if u.err != nil {
		return u.err
	}
	if s := failedParam(u.all()); s != nil {
		return &usp.Error{Code: s.err.Code, Path: s.full(), Text: s.full() + ": " + s.err.Text}
	}
	return nil
}

// set answers Set. A path that means several objects is all or nothing whatever
// allow_partial says [R-SET.2a]; with allow_partial=false the whole Message is
// [R-SET.1].
func (a *Agent) set(ctx context.Context, r *request) (*uspmsg.Response, *uspmsg.Error) {
	req := r.req.GetSet()
	if e := a.tooMany(len(req.GetUpdateObjs())); e != nil {
		return nil, e
	}
	updates, large := a.planUpdates(ctx, r, req.GetUpdateObjs())
	if large != nil {
		return nil, asError(large)
	}
	if !req.GetAllowPartial() {
		a.applyUpdates(ctx, r, updates)
		if e := updateErrors(updates); e != nil {
			return nil, e
		}
	} else {
		for i := range updates {
			a.applyUpdates(ctx, r, updates[i:i+1])
		}
	}
	a.lock()
	defer a.unlock()
	resp := &uspmsg.SetResp{}
	for _, u := range updates {
		resp.UpdatedObjResults = append(resp.UpdatedObjResults, a.updateResult(u))
	}
	return &uspmsg.Response{RespType: &uspmsg.Response_SetResp{SetResp: resp}}, nil
}

// planUpdates resolves the paths and checks every assignment. The error is that
// it is too much at once.
func (a *Agent) planUpdates(ctx context.Context, r *request, reqs []*uspmsg.Set_UpdateObject) ([]*update, *usp.Error) {
	texts := make([]string, len(reqs))
	for i, req := range reqs {
		texts[i] = req.GetObjPath()
	}
	queries, large := a.resolveForWrite(ctx, r, texts, isSettable)
	if large != nil {
		return nil, large
	}
	a.lock()
	defer a.unlock()
	room, settings := a.meterFor(r), 0
	updates := make([]*update, len(reqs))
	for i, req := range reqs {
		u := &update{query: queries[i]}
		updates[i] = u
		if u.err == nil && a.isTable(u.path) == nil {
			u.err = invalid(usp.CodeInvalidArguments, "", "a table: name the rows that shall change")
			continue
		}
		settings += len(u.found) * len(req.GetParamSettings())
		if err := a.tooManySettings(settings); err != nil {
			return nil, err
		}
		for _, object := range u.found {
			list := a.planObject(r, object, req.GetParamSettings())
			if err := room.takeSettings(object, list); err != nil {
				return nil, err
			}
			u.objects = append(u.objects, list)
		}
	}
	return updates, nil
}

func (a *Agent) planObject(r *request, object string, reqs []*uspmsg.Set_UpdateParamSetting) []*assignment {
	var list []*assignment
	for _, p := range reqs {
		s := &assignment{object: object, rel: p.GetParam(), value: p.GetValue(), required: p.GetRequired()}
		a.plan(r, s)
		list = append(list, s)
	}
	return list
}

// isSettable refuses what has no parameters of its own.
func isSettable(p path.Path) *usp.Error {
	if k := p.Kind(); k != path.Object && k != path.Instance {
		return invalid(usp.CodeInvalidPath, "", "not the path of an object")
	}
	return nil
}

// resolveForWrite is resolveFresh for what is going to be changed: an object
// that is known to be there needs no reading; a search, or an object that is
// not known, does. A table is no object to change. The error is that of
// resolveFresh.
func (a *Agent) resolveForWrite(ctx context.Context, r *request, texts []string,
	check func(path.Path) *usp.Error,
) ([]query, *usp.Error) {
	queries := make([]query, len(texts))
	again, large := a.resolveKnown(r, queries, texts, check)
	if len(again) == 0 || large != nil {
		return queries, large
	}
	need := make([]string, len(again))
	for k, i := range again {
		need[k] = texts[i]
	}
	fresh, large := a.resolveFresh(ctx, r, need, check)
	for k, q := range fresh {
		queries[again[k]] = q
	}
	return queries, large
}

// resolveKnown resolves what needs no reading, and returns which do.
func (a *Agent) resolveKnown(r *request, queries []query, texts []string, check func(path.Path) *usp.Error,
) (again []int, large *usp.Error) {
	a.lock()
	defer a.unlock()
	room := a.meterFor(r)
	for i, text := range texts {
		q := &queries[i]
		q.text = text
		p, err := path.Parse(text)
		if q.path = p; err != nil {
			q.err = uspError(err)
			continue
		}
		if q.err = check(p); q.err != nil {
			continue
		}
		if !p.IsSearch() && a.exists(text) || isLocal(p.Object()) {
			if large = a.resolve(r, q, room); large != nil {
				return nil, large
			}
		} else {
			again = append(again, i)
		}
	}
	return again, nil
}

// applyUpdates does the updates as one unit: the local tree first, because that
// can be undone, then the CPE in one SetParameterValues.
func (a *Agent) applyUpdates(ctx context.Context, r *request, unit []*update) {
	if failedUpdate(unit) {
		return
	}
	a.lock()
	t := a.local.begin()
	var all []*assignment
	for _, u := range unit {
		for i, list := range u.objects {
			t.assign(u.found[i], list, false)
		}
		all = append(all, u.all()...)
	}
	a.checkKeys(all, "")
	a.unlock()
	if !failedUpdate(unit) {
		if err := a.assign(ctx, r, all); err != nil {
			for _, u := range unit {
				u.err = err
			}
		}
	}
	a.lock()
	defer a.unlock()
	if failedUpdate(unit) {
		t.rollback()
		return
	}
	t.commit()
}

func failedUpdate(unit []*update) bool {
	for _, u := range unit {
		if u.failure() != nil {
			return true
		}
	}
	return false
}

// assign sets the local assignments of one object. The order on the wire says
// nothing, so they are looked at together, and again without one that makes
// the object wrong as a whole.
func (t *tx) assign(object string, list []*assignment, adding bool) {
	for {
		mark := t.mark()
		var done []*assignment
		for _, s := range list {
			if s.remote || s.err != nil {
				continue
			}
			if s.err = t.l.checkSet(object, s.rel, s.value, adding); s.err == nil {
				t.set(s.full(), s.value)
				done = append(done, s)
			}
		}
		err := t.l.checkRow(object)
		if err == nil || len(done) == 0 {
			return
		}
		t.back(mark)
		blamed := slices.IndexFunc(done, func(s *assignment) bool { return s.full() == err.Path })
		for i, s := range done {
			if blamed < 0 || blamed == i {
				s.err = err
			}
		}
	}
}

// updateErrors is the Error of a Set with allow_partial=false, nil if nothing
// failed.
func updateErrors(updates []*update) *uspmsg.Error {
	var list errorList
	for _, u := range updates {
		list.addPath(u.text, u.err)
		for _, s := range u.all() {
			if s.required && u.err == nil {
				list.add(s.full(), s.err)
			}
		}
	}
	return list.message()
}

// updateResult makes the result of one update. The lock is held.
func (a *Agent) updateResult(u *update) *uspmsg.SetResp_UpdatedObjectResult {
	status := &uspmsg.SetResp_UpdatedObjectResult_OperationStatus{}
	if err := u.failure(); err != nil {
		status.OperStatus = &uspmsg.SetResp_UpdatedObjectResult_OperationStatus_OperFailure{OperFailure: u.failureResult(err)}
	} else {
		ok := &uspmsg.SetResp_UpdatedObjectResult_OperationStatus_OperationSuccess{}
		for i, list := range u.objects {
			ok.UpdatedInstResults = append(ok.UpdatedInstResults, a.instanceResult(u.found[i], list))
		}
		status.OperStatus = &uspmsg.SetResp_UpdatedObjectResult_OperationStatus_OperSuccess{OperSuccess: ok}
	}
	return &uspmsg.SetResp_UpdatedObjectResult{RequestedPath: u.text, OperStatus: status}
}

func (u *update) failureResult(err *usp.Error) *uspmsg.SetResp_UpdatedObjectResult_OperationStatus_OperationFailure {
	out := &uspmsg.SetResp_UpdatedObjectResult_OperationStatus_OperationFailure{
		ErrCode: uint32(err.Code), ErrMsg: err.Text,
	}
	for i, list := range u.objects {
		f := &uspmsg.SetResp_UpdatedInstanceFailure{AffectedPath: u.found[i]}
		for _, s := range list {
			if s.err != nil {
				f.ParamErrs = append(f.ParamErrs, &uspmsg.SetResp_ParameterError{
					Param: s.rel, ErrCode: uint32(s.err.Code), ErrMsg: s.err.Text,
				})
			}
		}
		if len(f.GetParamErrs()) > 0 {
			out.UpdatedInstFailures = append(out.UpdatedInstFailures, f)
		}
	}
	return out
}

func (a *Agent) instanceResult(object string, list []*assignment) *uspmsg.SetResp_UpdatedInstanceResult {
	out := &uspmsg.SetResp_UpdatedInstanceResult{AffectedPath: object, UpdatedParams: map[string]string{}}
	for _, s := range list {
		if s.err != nil {
			out.ParamErrs = append(out.ParamErrs, &uspmsg.SetResp_ParameterError{
				Param: s.rel, ErrCode: uint32(s.err.Code), ErrMsg: s.err.Text,
			})
			continue
		}
		if v, ok := a.value(s.full()); ok {
			out.UpdatedParams[s.rel] = v
		}
	}
	return out
}

// errorList collects the param_errs of an Error.
type errorList []*uspmsg.Error_ParamError

// add adds an error about p, or about the path that it names itself.
func (l *errorList) add(p string, err *usp.Error) {
	if err != nil && err.Path != "" {
		p = err.Path
	}
	l.addPath(p, err)
}

// addPath adds an error about a path of the request; nil is none.
func (l *errorList) addPath(p string, err *usp.Error) {
	if err == nil {
		return
	}
	*l = append(*l, &uspmsg.Error_ParamError{ParamPath: p, ErrCode: uint32(err.Code), ErrMsg: err.Text})
}

// message returns the Error: 7800 where any part of it is of unknown outcome,
// otherwise the code of the first.
func (l errorList) message() *uspmsg.Error {
	if len(l) == 0 {
		return nil
	}
	main := l[0]
	for _, e := range l {
		if e.GetErrCode() == uint32(usp.CodeOutcomeUnknown) {
			main = e
			break
		}
	}
	return &uspmsg.Error{
		ErrCode: main.GetErrCode(), ErrMsg: main.GetParamPath() + ": " + main.GetErrMsg(), ParamErrs: l,
	}
}
