// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/uspgate/uspgate/translate/trust"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// query is one path of a request on its way to being resolved.
type query struct {
	text  string
	path  path.Path
	found []string // resolved
	err   *usp.Error
	// visits is what it was resolved by, where that may be somewhere else than what was
	// read for it.
	visits *visits
}

// get answers Get. What the CPE has is read where it is not fresh enough, all
// paths together; a path that needs the CPE and does not get it in time has
// 7003, the others have their results.
func (a *Agent) get(ctx context.Context, r *request) (*uspmsg.Response, *uspmsg.Error) {
	req := r.req.GetGet()
	if e := a.tooMany(len(req.GetParamPaths())); e != nil {
		return nil, e
	}
	queries, large := a.resolveFresh(ctx, r, req.GetParamPaths(), isReadable)
	if large != nil {
		return nil, asError(large)
	}
	a.lock()
	defer a.unlock()
	resp := &uspmsg.GetResp{}
	room := a.newMeter()
	shared := make(map[string]*getResult, len(queries))
	for i := range queries {
		text := queries[i].text
		g := shared[text]
		if g == nil {
			g = a.getPath(r, &queries[i], int(req.GetMaxDepth()), room.limit-room.used)
			shared[text] = g
		}
		if err := room.take(g.size); err != nil {
			return nil, asError(err)
		}
		resp.ReqPathResults = append(resp.ReqPathResults, g.result)
	}
	return &uspmsg.Response{RespType: &uspmsg.Response_GetResp{GetResp: resp}}, nil
}

// getResult is the result of one path, which is made once and answered as often
// as the path is in the request.
type getResult struct {
	result *uspmsg.GetResp_RequestedPathResult
	size   int // at most, encoded
	last   *uspmsg.GetResp_ResolvedPathResult
}

// in returns the result of an object: the last one, or a new one.
func (g *getResult) in(object string) *uspmsg.GetResp_ResolvedPathResult {
	if g.last == nil || g.last.GetResolvedPath() != object {
		g.last = &uspmsg.GetResp_ResolvedPathResult{ResolvedPath: object, ResultParams: map[string]string{}}
		g.result.ResolvedPathResults = append(g.result.ResolvedPathResults, g.last)
		g.size += overResult + len(object)
	}
	return g.last
}

// put adds a parameter.
func (g *getResult) put(object, leaf, value string) {
	g.in(object).ResultParams[leaf] = value
	g.size += overEntry + len(leaf) + len(value)
}

// getPath makes the result of one path. It stops, with a size past the room
// there is, where the room ends.
func (a *Agent) getPath(r *request, q *query, depth, room int) *getResult {
	g := &getResult{result: &uspmsg.GetResp_RequestedPathResult{RequestedPath: q.text}}
	g.size = overResult + len(q.text)
	err := q.err
	if err == nil {
		err = a.fillIn(r, q, depth, room, g)
	}
	if err != nil {
		code := err.Code
		if code == usp.CodeObjectDoesNotExist { // not in the instantiated data model [R-GET.0]
			code = usp.CodeInvalidPath
		}
		g.result.ErrCode, g.result.ErrMsg, g.result.ResolvedPathResults = uint32(code), err.Text, nil
		g.size = overResult + len(q.text) + overString + len(err.Text)
	}
	return g
}

func isReadable(p path.Path) *usp.Error {
	if k := p.Kind(); k == path.Command || k == path.Event {
		return invalid(usp.CodeInvalidPath, "", "a command or event has no value") // [R-GET.0]
	}
	return nil
}

// fillIn fills in the result of one resolved path [R-GET.2, R-GET.3].
func (a *Agent) fillIn(r *request, q *query, depth, room int, g *getResult) *usp.Error {
	for _, p := range q.found {
		if g.size > room {
			return nil
		}
		if q.path.Kind() == path.Parameter {
			object, leaf := splitParam(p)
			if v, ok := a.shownTo(r.from, p); ok { // [R-GET.1]
				g.put(object, leaf, a.reveal(r.from, p, v))
			}
			continue
		}
		for _, f := range a.walk(p, depth) {
			if !a.may(r.from, trust.ReadObject, f.object) {
				continue // [R-GET.1]
			}
			if len(g.result.GetResolvedPathResults()) >= a.host.opts.Paths {
				return invalid(usp.CodeResourcesExceeded, "", "more than "+number(a.host.opts.Paths)+" objects")
			}
			if g.size > room {
				return nil
			}
			for i := range f.params {
				p := &f.params[i]
				if a.may(r.from, trust.ReadParam, p.Path) { // [R-GET.4]
					g.put(f.object, strings.TrimPrefix(p.Path, f.object), a.reveal(r.from, p.Path, p.Value))
				}
			}
		}
	}
	if q.path.IsSearch() || len(q.found) == 0 || len(g.result.GetResolvedPathResults()) > 0 {
		return nil
	}
	if q.path.Kind() == path.Parameter {
		return invalid(usp.CodeInvalidPath, q.text, "no such parameter") // [R-GET.0]
	}
	if !a.may(r.from, trust.ReadObject, q.found[0]) {
		return invalid(usp.CodeInvalidPath, q.text, "no such object") // [R-GET.0, R-GET.1]
	}
	return nil
}

// resolveFresh parses the paths, reads from the CPE what is stale of them, and
// resolves them, each as often as it is asked for but only once. Check, unless
// nil, may refuse a path. The error is about all paths together: what they mean
// is more than an answer can hold.
func (a *Agent) resolveFresh(ctx context.Context, r *request, texts []string,
	check func(path.Path) *usp.Error,
) ([]query, *usp.Error) {
	first := make(map[string]int, len(texts))
	queries := make([]query, 0, len(texts))
	for _, text := range texts {
		if _, ok := first[text]; !ok {
			first[text] = len(queries)
			queries = append(queries, query{text: text})
		}
	}
	if err := a.resolveOnce(ctx, r, queries, check); err != nil {
		return nil, err
	}
	if len(queries) == len(texts) {
		return queries, nil
	}
	all := make([]query, len(texts))
	for i, text := range texts {
		all[i] = queries[first[text]]
	}
	return all, nil
}

func (a *Agent) resolveOnce(ctx context.Context, r *request, queries []query,
	check func(path.Path) *usp.Error,
) *usp.Error {
	began := time.Now()
	remote := false
	for i := range queries {
		q := &queries[i]
		p, err := path.Parse(q.text)
		if q.path = p; err != nil {
			q.err = uspError(err)
		} else if check != nil {
			q.err = check(p)
		}
		remote = remote || q.err == nil && !isLocal(p.Object()) && !a.isGateway()
	}
	if remote {
		a.refresh(ctx, r, queries)
	}
	if err := a.resolveAll(r, queries); err != nil {
		return err
	}
	if !remote {
		return nil
	}
	return a.resolveReferred(ctx, r, queries, began)
}

func (a *Agent) resolveAll(r *request, queries []query) *usp.Error {
	a.lock()
	defer a.unlock()
	room := a.newMeter()
	for i := range queries {
		if q := &queries[i]; q.err == nil {
			if err := a.resolve(r, q, room); err != nil {
				return err
			}
		}
	}
	return nil
}

// resolve resolves a query in the tree as it is. An answer names what a path
// means, so that has to fit into it: the error returned is that it does not.
func (a *Agent) resolve(r *request, q *query, room *meter) *usp.Error {
	t := a.treeOf(r.from)
	if q.path.HasReference() || a.host.freshness.parts() && strings.Contains(q.text, "[") {
		q.visits = &visits{Tree: t, params: make(map[string]bool), limit: a.host.opts.Paths}
		t = q.visits
	}
	if q.path.Kind() == path.Parameter && !q.path.IsSearch() {
		if _, ok := a.param(q.text); ok { // it means itself
			q.found = []string{q.text}
			return room.take(len(q.text))
		}
	}
	found, err := path.Resolve(q.path, t, a.host.opts.Paths)
	if q.err = uspError(err); q.err == nil {
		q.found = found
		need := 0
		for _, p := range found {
			need += len(p)
		}
		return room.take(need)
	}
	if q.err.Code == usp.CodeInvalidPath && !isLocal(q.path.Object()) {
		a.host.metrics.unmapped.Inc()
	}
	return nil
}

// refresh reads what is stale of the queries. A query whose sources could not
// be read gets the error.
func (a *Agent) refresh(ctx context.Context, r *request, queries []query) {
	known := a.awaitDiscovery(ctx, r, true)
	paths := make([]path.Path, len(queries))
	a.lock()
	for i := range queries {
		switch q := &queries[i]; {
		case q.err != nil || isLocal(q.path.Object()):
		case !known:
			q.err = a.notDiscovered(q)
		default:
			paths[i] = q.path
		}
	}
	a.unlock()
	for i, err := range a.readStale(ctx, r.call, paths, !r.handler.write) {
		if err != nil {
			queries[i].err = cpeError(err, "")
		}
	}
}

// readStale reads from the CPE what is stale of the paths, and returns for each the
// error of what could not be read. For a zero Path, and for one that the data model
// cannot have, nothing is asked. With spare it is no error where the policy wants what is
// known answered then.
func (a *Agent) readStale(ctx context.Context, call caller, paths []path.Path, spare bool) []error {
	wanted := make([][]demand, len(paths))
	a.lock()
	for i, p := range paths {
		if p.String() != "" && a.mayExist(p) {
			wanted[i] = a.demands(p, time.Time{})
		}
	}
	a.unlock()
	return a.readDemands(ctx, call, wanted, spare)
}

// readDemands reads what is wanted, all together.
func (a *Agent) readDemands(ctx context.Context, call caller, wanted [][]demand, spare bool) []error {
	var all []string
	for _, list := range wanted {
		for _, d := range list {
			all = append(all, d.name)
		}
	}
	if len(all) == 0 {
		return nil
	}
	failed := a.read(ctx, call, withoutCovered(all))
	errs := make([]error, len(wanted))
	for i, list := range wanted {
		stale := false
		for _, d := range list {
			err := failed.of(d.name)
			if err != nil && spare && d.spare && !isFault(err) {
				stale = true
			} else if err != nil {
				errs[i] = err
				break
			}
		}
		if stale && errs[i] == nil {
			a.host.metrics.deviate(deviationStaleAnswer)
		}
	}
	return errs
}

// notDiscovered says what becomes of a query while the CPE's data model is not
// known: what the local tree has can be answered.
func (a *Agent) notDiscovered(q *query) *usp.Error {
	if _, err := path.Resolve(q.path, tree{a}, a.host.opts.Paths); err == nil && q.path.Kind() == path.Parameter {
		return nil
	}
	return unreachable("")
}

// sources returns the CPE names to read for everything that p can mean. Where
// its object is not there yet, the nearest one above it is read.
func (a *Agent) sources(p path.Path) []string {
	at := p.Object()
	if p.Kind() == path.Parameter && !p.IsSearch() {
		if _, ok := a.view.Param(p.String()); ok {
			return a.view.Sources(p.String())
		}
	}
	for strings.Count(at, ".") > 1 {
		if _, ok := a.view.Object(at); ok {
			break
		}
		at = parentOf(at)
	}
	return a.view.Sources(at)
}

// parentOf cuts the last segment off an object path.
func parentOf(object string) string {
	o := strings.TrimSuffix(object, ".")
	return o[:strings.LastIndexByte(o, '.')+1]
}

// withoutCovered sorts names and drops those that a partial path among them
// covers.
func withoutCovered(names []string) []string {
	slices.Sort(names)
	var out []string
	for _, n := range names {
		if k := len(out); k > 0 && (out[k-1] == n || strings.HasSuffix(out[k-1], ".") && strings.HasPrefix(n, out[k-1])) {
			continue
		}
		out = append(out, n)
	}
	return out
}
