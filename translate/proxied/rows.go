// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package proxied

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// target is what one path of a Request is about: the gateway's own tree, or mounts.
type target struct {
	own    bool
	mounts []mount
	below  string // in each of them
	// one: the path names one CPE by its number, so what is wrong with it is wrong with the
	// path. search: the path may mean anything, also nothing.
	one, search bool
	err         *usp.Error
}

// inside is the path in the data model of a Virtual Agent.
func (t *target) inside(m mount) string { return root + m.inExpression(t.below) }

// target takes a path apart. What is only partly in CPE, such as Device. or
// Device.ProxiedDevice., is the gateway's own.
func (t *talk) target(ctx context.Context, text string) target {
	rows, below, ok := agent.SplitMount(text)
	if !ok || !agent.InMount(below) {
		return target{own: true}
	}
	p, err := path.ParseSupported(text)
	if err != nil && !strings.Contains(text, "{i}") {
		p, err = path.Parse(text)
	}
	if err != nil {
		return target{own: true} // which says what is wrong
	}
	to := target{below: below, search: p.IsSearch()}
	if isHidden(root + below) {
		to.err = &usp.Error{Code: usp.CodeInvalidPath, Text: "this part of a CPE's Virtual Agent is not mounted"}
		return to
	}
	to.mounts, to.one, to.err = t.rows(ctx, rows)
	return to
}

// rows returns the mounts that a part of a path means and that the Controller may see.
func (t *talk) rows(ctx context.Context, rows string) (list []mount, one bool, err *usp.Error) {
	all := slices.DeleteFunc(t.g.mounted(), func(m mount) bool { return !t.q.Sees(m.number) })
	if rows == "*" {
		return all, false, nil
	}
	if n, err := strconv.ParseUint(rows, 10, 32); err == nil {
		for _, m := range all {
			if m.number == uint32(n) {
				return []mount{m}, true, nil
			}
		}
		return nil, true, &usp.Error{Code: usp.CodeObjectDoesNotExist, Text: "no such row of Device.ProxiedDevice."}
	}
	p, failed := path.Parse(agent.ProxiedTable + rows + ".")
	if failed == nil {
		list, failed = t.search(ctx, p, all)
	}
	var e *usp.Error
	if failed != nil && !errors.As(failed, &e) {
		e = &usp.Error{Code: usp.CodeInvalidPathSyntax, Text: failed.Error()}
	}
	return list, false, e
}

// search returns those of the mounts that an expression means. What it compares of the
// CPE is asked of all of them first.
func (t *talk) search(ctx context.Context, p path.Path, all []mount) ([]mount, error) {
	tree := &mountTree{t: t, all: all, types: make(map[string]path.Type), values: make(map[string]string)}
	if _, err := path.Resolve(p, tree, t.paths); err != nil && len(tree.wanted) == 0 {
		return nil, err //nolint:wrapcheck // for the peer
	}
	if len(tree.wanted) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, &usp.Error{Code: usp.CodeInternalError, Text: "the CPE could not be asked in time"}
		}
		tree.fetch()
	}
	found, err := path.Resolve(p, tree, t.paths)
	if err != nil {
		return nil, err //nolint:wrapcheck // for the peer
	}
	return slices.DeleteFunc(all, func(m mount) bool { return !slices.Contains(found, m.row) }), nil
}

// mountTree is the data model as far as an expression on Device.ProxiedDevice. sees it.
type mountTree struct {
	t      *talk
	all    []mount
	wanted []string             // parameters of CPE, below the row, that are to be fetched
	types  map[string]path.Type // of these, once they are
	values map[string]string    // by full path
}

var _ path.Tree = (*mountTree)(nil)

const genericRow = agent.ProxiedTable + "{i}."

// SupportedObject implements path.Tree.
func (*mountTree) SupportedObject(generic string) (multi, ok bool) {
	if generic == genericRow {
		return true, true
	}
	return false, !strings.HasSuffix(generic, "{i}.")
}

// SupportedParam implements path.Tree.
func (m *mountTree) SupportedParam(generic string) (path.Type, bool) {
	rel, ok := strings.CutPrefix(generic, genericRow)
	switch {
	case !ok:
		return 0, false
	case !agent.InMount(rel):
		return ownParam(rel)
	}
	if typ, ok := m.types[rel]; ok {
		return typ, true
	}
	if !slices.Contains(m.wanted, rel) && !isHidden(root+rel) {
		m.wanted = append(m.wanted, rel)
	}
	return path.TypeString, len(m.types) == 0 && !isHidden(root+rel)
}

// ownParam returns the type of a parameter of a row that is the gateway's.
func ownParam(name string) (path.Type, bool) {
	switch name {
	case "Online":
		return path.TypeBoolean, true
	case "LastTimeContacted":
		return path.TypeDateTime, true
	case "NodeNumberOfEntries":
		return path.TypeUnsignedInt, true
	case "Alias", "Name", "Description", "Type", "ProxyProtocol", "InterfaceReference", "X_USPGATE_EndpointID":
		return path.TypeString, true
	default:
		return 0, false
	}
}

// Instances implements path.Tree.
func (m *mountTree) Instances(table string) []uint32 {
	if table != agent.ProxiedTable {
		return nil
	}
	list := make([]uint32, len(m.all))
	for i := range m.all {
		list[i] = m.all[i].number
	}
	return list
}

// Value implements path.Tree.
func (m *mountTree) Value(param string) (string, bool) {
	if v, ok := m.values[param]; ok {
		return v, true
	}
	for i := range m.all {
		if rel, ok := strings.CutPrefix(param, m.all[i].row); ok && !agent.InMount(rel) {
			return m.t.g.tree.Column(m.all[i].number, rel)
		}
	}
	return "", false
}

// fetch asks all CPE for what is wanted, and for the types.
func (m *mountTree) fetch() {
	params := make([]string, len(m.wanted))
	for i, rel := range m.wanted {
		params[i] = root + rel
		m.types[rel] = path.TypeString
	}
	var values, types []*question
	for _, one := range m.all {
		values = append(values, &question{mount: one, req: getRequest(&uspmsg.Get{ParamPaths: params})})
		types = append(types, &question{mount: one, req: &uspmsg.Request{ReqType: &uspmsg.Request_GetSupportedDm{
			GetSupportedDm: &uspmsg.GetSupportedDM{ObjPaths: params},
		}}})
	}
	m.t.ask(values, false)
	m.t.ask(types, false)
	for _, one := range values {
		for _, p := range one.resp.GetGetResp().GetReqPathResults() {
			for _, r := range p.GetResolvedPathResults() {
				for name, v := range r.GetResultParams() {
					m.values[one.out(r.GetResolvedPath())+name] = one.out(v)
				}
			}
		}
	}
	for _, one := range types {
		for _, o := range one.resp.GetGetSupportedDmResp().GetReqObjResults() {
			for _, s := range o.GetSupportedObjs() {
				for _, p := range s.GetSupportedParams() {
					m.types[strings.TrimPrefix(s.GetSupportedObjPath()+p.GetParamName(), root)] = typeOf(p.GetValueType())
				}
			}
		}
	}
}

func typeOf(t uspmsg.GetSupportedDMResp_ParamValueType) path.Type {
	switch t {
	case uspmsg.GetSupportedDMResp_PARAM_BOOLEAN:
		return path.TypeBoolean
	case uspmsg.GetSupportedDMResp_PARAM_INT:
		return path.TypeInt
	case uspmsg.GetSupportedDMResp_PARAM_UNSIGNED_INT:
		return path.TypeUnsignedInt
	case uspmsg.GetSupportedDMResp_PARAM_LONG:
		return path.TypeLong
	case uspmsg.GetSupportedDMResp_PARAM_UNSIGNED_LONG:
		return path.TypeUnsignedLong
	case uspmsg.GetSupportedDMResp_PARAM_DECIMAL:
		return path.TypeDecimal
	case uspmsg.GetSupportedDMResp_PARAM_DATE_TIME:
		return path.TypeDateTime
	default:
		return path.TypeString
	}
}

// text is the path of a Request in one of the CPE that it means, for its results.
func (t *target) text(m mount) string { return m.row + t.below }
