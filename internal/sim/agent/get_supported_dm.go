// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// modelURI names the data model that definitions are of.
const modelURI = "urn:broadband-forum-org:tr-181-2-19-1"

// getSupportedDM answers GetSupportedDM.
func (a *Agent) getSupportedDM(g *uspmsg.GetSupportedDM) *uspmsg.Msg {
	resp := &uspmsg.GetSupportedDMResp{}
	for _, requested := range g.GetObjPaths() {
		res := &uspmsg.GetSupportedDMResp_RequestedObjectResult{ReqObjPath: requested}
		resp.ReqObjResults = append(resp.ReqObjResults, res)
		objects, err := a.tree.schema.supported(requested, g)
		if err != nil {
			res.ErrCode, res.ErrMsg = uint32(err.Code), err.Text
			continue
		}
		res.DataModelInstUri, res.SupportedObjs = modelURI, objects
	}
	return response(uspmsg.Header_GET_SUPPORTED_DM_RESP, &uspmsg.Response{
		RespType: &uspmsg.Response_GetSupportedDmResp{GetSupportedDmResp: resp},
	})
}

type supportedObject = uspmsg.GetSupportedDMResp_SupportedObjectResult

// supported returns what is supported at and below a path.
func (s *schema) supported(requested string, g *uspmsg.GetSupportedDM) ([]*supportedObject, *usp.Error) {
	p, err := path.ParseSupported(requested)
	if err != nil {
		return nil, protocolError(err)
	}
	if k := p.Kind(); k != path.Object && k != path.Instance {
		return s.element(p)
	}
	root := p.Supported()
	if s.objects[root+"{i}."] != nil {
		root += "{i}." // which may be dropped
	}
	if s.objects[root] == nil {
		return nil, protocolErr(usp.CodeInvalidPath, "no such object")
	}
	var out []*supportedObject
	for _, o := range s.sorted() {
		switch below := strings.HasPrefix(o.path, root) && o.path != root; {
		case o.path == root:
			out = append(out, o.describe(g, true))
		case below && !g.GetFirstLevelOnly():
			out = append(out, o.describe(g, true))
		case below && parent(o.path) == root:
			out = append(out, o.describe(g, false))
		}
	}
	return out, nil
}

// element answers for one parameter, command or event; the flags do not count.
func (s *schema) element(p path.Path) ([]*supportedObject, *usp.Error) {
	in, name := split(p.Supported())
	o := s.objects[in]
	if o == nil {
		return nil, protocolErr(usp.CodeInvalidPath, "no such object")
	}
	out := o.header()
	switch p.Kind() {
	case path.Command:
		if c := o.command(name); c != nil {
			out.SupportedCommands = append(out.SupportedCommands, c.describe())
		}
	case path.Event:
		if e := o.event(name); e != nil {
			out.SupportedEvents = append(out.SupportedEvents, e.describe())
		}
	default:
		if c := o.column(name); c != nil {
			out.SupportedParams = append(out.SupportedParams, c.describe())
		}
	}
	if len(out.GetSupportedCommands())+len(out.GetSupportedEvents())+len(out.GetSupportedParams()) == 0 {
		return nil, protocolErr(usp.CodeInvalidPath, "not supported")
	}
	return []*supportedObject{out}, nil
}

// header is an object without anything in it.
func (o *object) header() *supportedObject {
	out := &supportedObject{SupportedObjPath: o.path, IsMultiInstance: o.multi}
	switch {
	case o.add && o.del:
		out.Access = uspmsg.GetSupportedDMResp_OBJ_ADD_DELETE
	case o.add:
		out.Access = uspmsg.GetSupportedDMResp_OBJ_ADD_ONLY
	case o.del:
		out.Access = uspmsg.GetSupportedDMResp_OBJ_DELETE_ONLY
	}
	return out
}

// describe is an object as the flags want it; without details only its keys are told.
func (o *object) describe(g *uspmsg.GetSupportedDM, details bool) *supportedObject {
	out := o.header()
	if g.GetReturnUniqueKeySets() {
		for _, key := range o.keys {
			out.UniqueKeySets = append(out.UniqueKeySets,
				&uspmsg.GetSupportedDMResp_SupportedUniqueKeySet{KeyNames: key})
		}
	}
	if details && g.GetReturnParams() {
		for _, c := range o.columns {
			out.SupportedParams = append(out.SupportedParams, c.describe())
		}
	}
	if details && g.GetReturnCommands() {
		for _, c := range o.commands {
			out.SupportedCommands = append(out.SupportedCommands, c.describe())
		}
	}
	if details && g.GetReturnEvents() {
		for i := range o.events {
			out.SupportedEvents = append(out.SupportedEvents, o.events[i].describe())
		}
	}
	return out
}

func (c *command) describe() *uspmsg.GetSupportedDMResp_SupportedCommandResult {
	out := &uspmsg.GetSupportedDMResp_SupportedCommandResult{
		CommandName: c.name, InputArgNames: c.in, OutputArgNames: c.out,
		CommandType: uspmsg.GetSupportedDMResp_CMD_SYNC,
	}
	if c.async {
		out.CommandType = uspmsg.GetSupportedDMResp_CMD_ASYNC
	}
	return out
}

func (e *event) describe() *uspmsg.GetSupportedDMResp_SupportedEventResult {
	return &uspmsg.GetSupportedDMResp_SupportedEventResult{EventName: e.name, ArgNames: e.args}
}

func (c *column) describe() *uspmsg.GetSupportedDMResp_SupportedParamResult {
	out := &uspmsg.GetSupportedDMResp_SupportedParamResult{
		ParamName: c.name, ValueType: valueType(c.typ), ValueChange: uspmsg.GetSupportedDMResp_VALUE_CHANGE_ALLOWED,
	}
	if c.access != readOnly { // also what can be written once
		out.Access = uspmsg.GetSupportedDMResp_PARAM_READ_WRITE
	}
	if c.still {
		out.ValueChange = uspmsg.GetSupportedDMResp_VALUE_CHANGE_WILL_IGNORE
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
