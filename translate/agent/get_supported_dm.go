// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"slices"
	"strings"

	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/translate/trust"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// modelURI is the data model that the Agent shows.
const modelURI = "urn:broadband-forum-org:tr-181-2-19-1"

// getSupportedDM answers GetSupportedDM. It never wakes the CPE, see shown.
func (a *Agent) getSupportedDM(ctx context.Context, r *request) (*uspmsg.Response, *uspmsg.Error) {
	req := r.req.GetGetSupportedDm()
	if e := a.tooMany(len(req.GetObjPaths())); e != nil {
		return nil, e
	}
	shown := a.shown(ctx, r)
	a.lock()
	defer a.unlock()
	resp := &uspmsg.GetSupportedDMResp{}
	room := a.newMeter()
	all := a.supported(shown)
	shared := make(map[string]*supportedResult, len(req.GetObjPaths()))
	for _, p := range req.GetObjPaths() {
		s := shared[p]
		if s == nil {
			s = &supportedResult{
				result: &uspmsg.GetSupportedDMResp_RequestedObjectResult{ReqObjPath: p},
				all:    all, offers: shown.offers, room: room.limit - room.used, size: overResult + len(p) + len(modelURI),
			}
			if err := a.supportedBelow(r, req, p, s); err != nil {
				s.result.ErrCode, s.result.ErrMsg = uint32(err.Code), err.Text
				s.size += overString + len(err.Text)
			} else {
				s.result.DataModelInstUri = modelURI
			}
			shared[p] = s
		}
		if err := room.take(s.size); err != nil {
			return nil, asError(err)
		}
		resp.ReqObjResults = append(resp.ReqObjResults, s.result)
	}
	return &uspmsg.Response{RespType: &uspmsg.Response_GetSupportedDmResp{GetSupportedDmResp: resp}}, nil
}

// supportedResult is the result of one path, which is made once and answered as
// often as the path is in the request.
type supportedResult struct {
	result *uspmsg.GetSupportedDMResp_RequestedObjectResult
	all    []*model.SupportedObject // the whole supported data model
	offers offers
	size   int // at most, encoded
	room   int // where it stops
}

func (s *supportedResult) add(o *uspmsg.GetSupportedDMResp_SupportedObjectResult) {
	s.result.SupportedObjs = append(s.result.SupportedObjs, o)
	s.size += overString + proto.Size(o)
}

// supportedBelow fills in the result of one path.
func (a *Agent) supportedBelow(r *request, req *uspmsg.GetSupportedDM, text string, s *supportedResult) *usp.Error {
	p, err := path.ParseSupported(text)
	if err != nil {
		return uspError(err)
	}
	generic := p.Supported()
	if p.Kind() != path.Object && p.Kind() != path.Instance {
		return a.supportedElement(r, p, generic, s)
	}
	at := slices.IndexFunc(s.all, func(o *model.SupportedObject) bool {
		return o.Path == generic || o.Path == generic+"{i}."
	})
	if at < 0 {
		a.host.metrics.unmapped.Inc()
		return invalid(usp.CodeInvalidPath, "", "not in the supported data model")
	}
	root := s.all[at].Path
	for _, o := range s.all {
		if s.size > s.room {
			break
		}
		if !strings.HasPrefix(o.Path, root) || !a.may(r.from, trust.ReadObject, o.Path) {
			continue
		}
		child := o.Path != root
		if req.GetFirstLevelOnly() && child && parentObject(o.Path) != root {
			continue
		}
		s.add(a.hideUnreadable(r.from, a.supportedObject(o, req, s.offers, child && req.GetFirstLevelOnly())))
	}
	return nil
}

// supportedElement answers for one parameter, command or event; the flags do not
// count. What may not be read is not there [R-GSP.0].
func (a *Agent) supportedElement(r *request, p path.Path, generic string, s *supportedResult) *usp.Error {
	object, leaf := splitParam(generic)
	out := &uspmsg.GetSupportedDMResp_SupportedObjectResult{SupportedObjPath: object}
	all := s.all
	at := slices.IndexFunc(all, func(o *model.SupportedObject) bool { return o.Path == object })
	if at < 0 || !a.may(r.from, readRight(p.Kind()), generic) {
		return invalid(usp.CodeInvalidPath, "", "not in the supported data model")
	}
	out.Access, out.IsMultiInstance = objectAccess(all[at]), all[at].Multi
	switch p.Kind() {
	case path.Command:
		for _, c := range a.local.schema.commandsOf(object, s.offers) {
			if c.name == leaf {
				out.SupportedCommands = append(out.SupportedCommands, c.supported())
			}
		}
	case path.Event:
		for _, e := range a.local.schema.eventsOf(object, s.offers) {
			if e.name == leaf {
				out.SupportedEvents = append(out.SupportedEvents, e.supported())
			}
		}
	default:
		if sp, ok := all[at].Param(leaf); ok {
			out.SupportedParams = append(out.SupportedParams, a.supportedParamResult(object, sp))
		}
	}
	if len(out.GetSupportedCommands())+len(out.GetSupportedEvents())+len(out.GetSupportedParams()) == 0 {
		return invalid(usp.CodeInvalidPath, "", "not in the supported data model")
	}
	s.add(out)
	return nil
}

// shown returns what the CPE supports, nothing if nothing is known. Before the first
// discovery that is what another CPE of the model supports, if there was one; if not,
// a discovery that is under way is waited for, and what is known by then is returned.
func (a *Agent) shown(ctx context.Context, r *request) shownModel {
	a.lock()
	known, v := a.disc.known && !a.sisters.updated, a.view
	if !known {
		r.release()
	}
	a.unlock()
	m := a.model()
	if !known {
		if m != nil && m.Sample != nil && (v == nil || v.Root() == m.Sample.Root) {
			return m.shown(a.host.opts.Rules, a.host.schema)
		}
		a.awaitDiscovery(ctx, r, false)
	}
	return a.shownTogether(m)
}

// shownTogether returns what the CPE and its sisters have shown to support. What they have
// not shown before this one is kept first: what is answered is not to be forgotten.
func (a *Agent) shownTogether(m *Model) shownModel {
	var of shownModel
	if m != nil {
		of = m.shown(a.host.opts.Rules, a.host.schema)
	}
	a.lock()
	if m != nil {
		a.extend(m, of)
	}
	s := a.shownOfCPE()
	a.unlock()
	if s.supported != of.supported && a.host.opts.Keeper != nil {
		if err := a.keepTree(); err != nil {
			a.log.Info("what a CPE supports is not saved", zap.Error(err))
		}
	}
	return s
}

// shownOfCPE returns what the CPE has shown to support, and its sisters as far as they are
// known. The lock is held.
func (a *Agent) shownOfCPE() shownModel {
	if a.view == nil {
		return shownModel{}
	}
	a.sisters.offers = a.offers().or(a.sisters.offers)
	return shownModel{a.view.Supported(), a.sisters.offers}
}

// supported returns the whole supported data model, sorted, parents first: what the
// CPE supports, and the local tree.
func (a *Agent) supported(shown shownModel) []*model.SupportedObject {
	var all []*model.SupportedObject
	if shown.supported != nil {
		for _, o := range shown.supported.Objects {
			if !isLocal(o.Path) {
				all = append(all, o)
			}
		}
	}
	index := make(map[string]int, len(all))
	for i, o := range all {
		index[o.Path] = i
	}
	for _, o := range a.local.schema.objects {
		if i, ok := index[o.Path]; ok {
			all[i] = mergeObjects(all[i], o)
		} else {
			index[o.Path] = len(all)
			all = append(all, &o.SupportedObject)
		}
	}
	for _, o := range a.local.schema.offeredObjects(shown.offers) {
		if _, ok := index[o]; !ok {
			all = append(all, &model.SupportedObject{Path: o})
		}
	}
	slices.SortFunc(all, func(x, y *model.SupportedObject) int { return strings.Compare(x.Path, y.Path) })
	return all
}

// mergeObjects adds to what the CPE has what the local tree has besides.
func mergeObjects(o *model.SupportedObject, add *localObject) *model.SupportedObject {
	merged := *o
	merged.Params = slices.Clone(o.Params)
	for _, p := range add.Params {
		if _, ok := o.Param(p.Name); !ok {
			merged.Params = append(merged.Params, p)
		}
	}
	slices.SortFunc(merged.Params, func(x, y model.SupportedParam) int { return strings.Compare(x.Name, y.Name) })
	return &merged
}

// supportedObject makes the result of one object; bare leaves its members out.
func (a *Agent) supportedObject(o *model.SupportedObject, req *uspmsg.GetSupportedDM, with offers, bare bool,
) *uspmsg.GetSupportedDMResp_SupportedObjectResult {
	out := &uspmsg.GetSupportedDMResp_SupportedObjectResult{
		SupportedObjPath: o.Path, Access: objectAccess(o), IsMultiInstance: o.Multi,
	}
	if req.GetReturnUniqueKeySets() {
		for _, set := range o.Keys {
			out.UniqueKeySets = append(out.UniqueKeySets, &uspmsg.GetSupportedDMResp_SupportedUniqueKeySet{KeyNames: set})
		}
	}
	if bare {
		return out
	}
	if req.GetReturnParams() {
		for _, p := range o.Params {
			out.SupportedParams = append(out.SupportedParams, a.supportedParamResult(o.Path, p))
		}
	}
	if req.GetReturnCommands() {
		for _, c := range a.local.schema.commandsOf(o.Path, with) {
			out.SupportedCommands = append(out.SupportedCommands, c.supported())
		}
	}
	if req.GetReturnEvents() {
		for _, e := range a.local.schema.eventsOf(o.Path, with) {
			out.SupportedEvents = append(out.SupportedEvents, e.supported())
		}
	}
	return out
}

func objectAccess(o *model.SupportedObject) uspmsg.GetSupportedDMResp_ObjAccessType {
	switch {
	case o.Add && o.Delete:
		return uspmsg.GetSupportedDMResp_OBJ_ADD_DELETE
	case o.Add:
		return uspmsg.GetSupportedDMResp_OBJ_ADD_ONLY
	case o.Delete:
		return uspmsg.GetSupportedDMResp_OBJ_DELETE_ONLY
	default:
		return uspmsg.GetSupportedDMResp_OBJ_READ_ONLY
	}
}

func (a *Agent) supportedParamResult(object string, p model.SupportedParam,
) *uspmsg.GetSupportedDMResp_SupportedParamResult {
	out := &uspmsg.GetSupportedDMResp_SupportedParamResult{
		ParamName: p.Name, ValueType: valueType(p.Type), ValueChange: uspmsg.GetSupportedDMResp_VALUE_CHANGE_ALLOWED,
	}
	if p.Access != model.ReadOnly { // writeOnceReadOnly counts as read-write
		out.Access = uspmsg.GetSupportedDMResp_PARAM_READ_WRITE
	}
	if own := a.local.schema.byPath[object]; own != nil && isLocal(object) && own.columns[p.Name].still {
		out.ValueChange = uspmsg.GetSupportedDMResp_VALUE_CHANGE_WILL_IGNORE
	}
	return out
}

func valueType(t path.Type) uspmsg.GetSupportedDMResp_ParamValueType {
	if t.IsList() { // a list is a string on the wire
		return uspmsg.GetSupportedDMResp_PARAM_STRING
	}
	switch t.Base() {
	case path.TypeBoolean:
		return uspmsg.GetSupportedDMResp_PARAM_BOOLEAN
	case path.TypeInt:
		return uspmsg.GetSupportedDMResp_PARAM_INT
	case path.TypeUnsignedInt:
		return uspmsg.GetSupportedDMResp_PARAM_UNSIGNED_INT
	case path.TypeLong:
		return uspmsg.GetSupportedDMResp_PARAM_LONG
	case path.TypeUnsignedLong:
		return uspmsg.GetSupportedDMResp_PARAM_UNSIGNED_LONG
	case path.TypeDateTime:
		return uspmsg.GetSupportedDMResp_PARAM_DATE_TIME
	case path.TypeBase64:
		return uspmsg.GetSupportedDMResp_PARAM_BASE_64
	case path.TypeHexBinary:
		return uspmsg.GetSupportedDMResp_PARAM_HEX_BINARY
	case path.TypeDecimal:
		return uspmsg.GetSupportedDMResp_PARAM_DECIMAL
	default:
		return uspmsg.GetSupportedDMResp_PARAM_STRING
	}
}

func (c *command) supported() *uspmsg.GetSupportedDMResp_SupportedCommandResult {
	out := &uspmsg.GetSupportedDMResp_SupportedCommandResult{
		CommandName: c.name, InputArgNames: c.in, OutputArgNames: c.out, CommandType: uspmsg.GetSupportedDMResp_CMD_SYNC,
	}
	if c.async {
		out.CommandType = uspmsg.GetSupportedDMResp_CMD_ASYNC
	}
	return out
}

func (e event) supported() *uspmsg.GetSupportedDMResp_SupportedEventResult {
	return &uspmsg.GetSupportedDMResp_SupportedEventResult{EventName: e.name, ArgNames: e.args}
}
