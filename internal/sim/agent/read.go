// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"maps"
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
		p, found, err := a.tree.resolve(requested)
		if err == nil && (p.Kind() == path.Command || p.Kind() == path.Event) {
			err = &usp.Error{Code: usp.CodeInvalidPath, Text: "neither an object nor a parameter"}
		}
		if err != nil {
			res.ErrCode, res.ErrMsg = codeOf(err)
			if usp.Code(res.GetErrCode()) == usp.CodeObjectDoesNotExist {
				res.ErrCode = uint32(usp.CodeInvalidPath) // [R-GET.0]
			}
			continue
		}
		for _, f := range found {
			res.ResolvedPathResults = append(res.ResolvedPathResults, a.tree.read(f, int(g.GetMaxDepth()))...)
		}
	}
	return response(uspmsg.Header_GET_RESP, &uspmsg.Response{RespType: &uspmsg.Response_GetResp{GetResp: resp}})
}

// read returns one parameter, or the parameters below an object by object.
func (t *tree) read(found string, depth int) []*uspmsg.GetResp_ResolvedPathResult {
	if p, ok := t.params[found]; ok {
		object, name := splitParam(found)
		return []*uspmsg.GetResp_ResolvedPathResult{{
			ResolvedPath: object, ResultParams: map[string]string{name: p.Value},
		}}
	}
	if !strings.HasSuffix(found, ".") {
		return nil // supported, though not in this row
	}
	var out []*uspmsg.GetResp_ResolvedPathResult
	for _, p := range t.below(found) {
		object, name := splitParam(p.Path)
		if depth > 0 && levels(object[len(found):]) >= depth {
			continue
		}
		at := slices.IndexFunc(out, func(r *uspmsg.GetResp_ResolvedPathResult) bool {
			return r.GetResolvedPath() == object
		})
		if at < 0 {
			at = len(out)
			out = append(out, &uspmsg.GetResp_ResolvedPathResult{
				ResolvedPath: object, ResultParams: make(map[string]string),
			})
		}
		out[at].ResultParams[name] = p.Value
	}
	return out
}

// levels counts the names in a relative object path; instances are no level.
func levels(object string) int {
	return strings.Count(strings.ReplaceAll(path.Generic(object), "{i}.", ""), ".")
}

func splitParam(p string) (object, name string) {
	at := strings.LastIndexByte(p, '.') + 1
	return p[:at], p[at:]
}

func (a *Agent) getInstances(g *uspmsg.GetInstances) *uspmsg.Msg {
	resp := &uspmsg.GetInstancesResp{}
	for _, requested := range g.GetObjPaths() {
		res := &uspmsg.GetInstancesResp_RequestedPathResult{RequestedPath: requested}
		resp.ReqPathResults = append(resp.ReqPathResults, res)
		_, found, err := a.tree.resolve(requested)
		if err != nil {
			res.ErrCode, res.ErrMsg = codeOf(err)
			continue
		}
		for _, table := range found {
			if !a.tree.objects[path.Generic(table)+"{i}."] {
				res.ErrCode, res.ErrMsg = uint32(usp.CodeNotATable), "not a table"
				break
			}
			res.CurrInsts = append(res.CurrInsts, a.tree.instances(table, g.GetFirstLevelOnly())...)
		}
	}
	return response(uspmsg.Header_GET_INSTANCES_RESP, &uspmsg.Response{
		RespType: &uspmsg.Response_GetInstancesResp{GetInstancesResp: resp},
	})
}

// instances returns the rows of a table and, unless only those are wanted, of
// the tables in them.
func (t *tree) instances(table string, firstLevelOnly bool) []*uspmsg.GetInstancesResp_CurrInstance {
	var rows []string
	for in, numbers := range t.rows {
		if in != table && (firstLevelOnly || !strings.HasPrefix(in, table)) {
			continue
		}
		for _, n := range numbers {
			rows = append(rows, rowPath(in, n))
		}
	}
	slices.SortFunc(rows, func(x, y string) int {
		if path.Less(x, y) {
			return -1
		}
		return 1
	})
	out := make([]*uspmsg.GetInstancesResp_CurrInstance, 0, len(rows))
	for _, row := range rows {
		out = append(out, &uspmsg.GetInstancesResp_CurrInstance{
			InstantiatedObjPath: row, UniqueKeys: t.keys(row),
		})
	}
	return out
}

func (a *Agent) getSupportedDM(g *uspmsg.GetSupportedDM) *uspmsg.Msg {
	resp := &uspmsg.GetSupportedDMResp{}
	for _, requested := range g.GetObjPaths() {
		res := &uspmsg.GetSupportedDMResp_RequestedObjectResult{
			ReqObjPath: requested, DataModelInstUri: "urn:broadband-forum-org:tr-181-2-19-1",
		}
		resp.ReqObjResults = append(resp.ReqObjResults, res)
		p, err := path.ParseSupported(requested)
		if err != nil {
			res.ErrCode, res.ErrMsg = codeOf(err)
			continue
		}
		object := p.Supported()
		if a.tree.objects[object+"{i}."] {
			object += "{i}." // which may be dropped
		}
		for _, o := range slices.Sorted(maps.Keys(a.tree.objects)) {
			rest, ok := strings.CutPrefix(o, object)
			if !ok || g.GetFirstLevelOnly() && levels(rest) > 1 {
				continue
			}
			detailed := !g.GetFirstLevelOnly() || rest == ""
			res.SupportedObjs = append(res.SupportedObjs, a.tree.describe(o, g, detailed))
		}
		if len(res.GetSupportedObjs()) == 0 {
			res.ErrCode, res.ErrMsg = uint32(usp.CodeInvalidPath), "no such object"
		}
	}
	return response(uspmsg.Header_GET_SUPPORTED_DM_RESP, &uspmsg.Response{
		RespType: &uspmsg.Response_GetSupportedDmResp{GetSupportedDmResp: resp},
	})
}

func (t *tree) describe(
	object string, g *uspmsg.GetSupportedDM, detailed bool,
) *uspmsg.GetSupportedDMResp_SupportedObjectResult {
	out := &uspmsg.GetSupportedDMResp_SupportedObjectResult{
		SupportedObjPath: object, IsMultiInstance: t.objects[object],
	}
	if object == subscriptions+"{i}." {
		out.Access = uspmsg.GetSupportedDMResp_OBJ_ADD_DELETE
	}
	if detailed && g.GetReturnParams() {
		for _, name := range slices.Sorted(maps.Keys(t.supported)) {
			if in, leaf := splitParam(name); in == object {
				out.SupportedParams = append(out.SupportedParams, describeParam(leaf, t.supported[name]))
			}
		}
	}
	if detailed && g.GetReturnCommands() && object == "Device." {
		out.SupportedCommands = append(out.SupportedCommands, &uspmsg.GetSupportedDMResp_SupportedCommandResult{
			CommandName: "Reboot()", CommandType: uspmsg.GetSupportedDMResp_CMD_SYNC,
		})
	}
	if detailed && g.GetReturnEvents() && object == "Device." {
		out.SupportedEvents = append(out.SupportedEvents, &uspmsg.GetSupportedDMResp_SupportedEventResult{
			EventName: "Boot!", ArgNames: []string{"CommandKey", "Cause", "FirmwareUpdated", "ParameterMap"},
		})
	}
	if _, ok := t.supported[object+"Alias"]; ok && g.GetReturnUniqueKeySets() {
		out.UniqueKeySets = append(out.UniqueKeySets,
			&uspmsg.GetSupportedDMResp_SupportedUniqueKeySet{KeyNames: []string{"Alias"}})
	}
	return out
}

func describeParam(name string, s supported) *uspmsg.GetSupportedDMResp_SupportedParamResult {
	out := &uspmsg.GetSupportedDMResp_SupportedParamResult{
		ParamName: name, ValueType: valueType(s.typ), ValueChange: uspmsg.GetSupportedDMResp_VALUE_CHANGE_ALLOWED,
	}
	if s.writable {
		out.Access = uspmsg.GetSupportedDMResp_PARAM_READ_WRITE
	}
	return out
}

// valueType is the type as GetSupportedDM has it; lists are strings there.
func valueType(t path.Type) uspmsg.GetSupportedDMResp_ParamValueType {
	switch t {
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
