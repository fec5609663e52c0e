// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/usp/uspmsg"
)

// parseRequest reads a Message of a script:
//
//	Get PATH… [depth=N]
//	GetInstances PATH… [first]
//	GetSupportedDM PATH… [first] [params] [commands] [events] [keys]
//	GetSupportedProtocol
//	Set|Add partial|whole OBJECT NAME=VALUE NAME!=VALUE (required) … [; OBJECT …]
//	Delete partial|whole PATH…
//	Operate COMMAND [key=KEY] [noresp] [ARG=VALUE …]
//	Register
//	NotifyResp (with the id of the Notify)
//	Empty (a Message without body)
func parseRequest(t *testing.T, w []string) *uspmsg.Body {
	t.Helper()
	req := &uspmsg.Request{}
	switch w[0] {
	case "Get":
		m := &uspmsg.Get{}
		m.ParamPaths, _ = flags(w[1:], "depth=", func(v string) { m.MaxDepth = uint32(atoi(t, v)) })
		req.ReqType = &uspmsg.Request_Get{Get: m}
	case "GetInstances":
		m := &uspmsg.GetInstances{}
		m.ObjPaths, m.FirstLevelOnly = flags(w[1:], "first", nil)
		req.ReqType = &uspmsg.Request_GetInstances{GetInstances: m}
	case "GetSupportedDM":
		m := &uspmsg.GetSupportedDM{}
		m.ObjPaths, m.FirstLevelOnly = flags(w[1:], "first", nil)
		m.ObjPaths, m.ReturnParams = flags(m.GetObjPaths(), "params", nil)
		m.ObjPaths, m.ReturnCommands = flags(m.GetObjPaths(), "commands", nil)
		m.ObjPaths, m.ReturnEvents = flags(m.GetObjPaths(), "events", nil)
		m.ObjPaths, m.ReturnUniqueKeySets = flags(m.GetObjPaths(), "keys", nil)
		req.ReqType = &uspmsg.Request_GetSupportedDm{GetSupportedDm: m}
	case "GetSupportedProtocol":
		req.ReqType = &uspmsg.Request_GetSupportedProtocol{GetSupportedProtocol: &uspmsg.GetSupportedProtocol{}}
	case "Set":
		req.ReqType = &uspmsg.Request_Set{Set: parseSet(w)}
	case "Add":
		req.ReqType = &uspmsg.Request_Add{Add: parseAdd(w)}
	case "Delete":
		req.ReqType = &uspmsg.Request_Delete{Delete: &uspmsg.Delete{AllowPartial: w[1] == "partial", ObjPaths: w[2:]}}
	case "Operate":
		req.ReqType = &uspmsg.Request_Operate{Operate: parseOperate(w)}
	case "Register":
		req.ReqType = &uspmsg.Request_Register{Register: &uspmsg.Register{}}
	case "NotifyResp":
		return &uspmsg.Body{MsgBody: &uspmsg.Body_Response{Response: &uspmsg.Response{
			RespType: &uspmsg.Response_NotifyResp{NotifyResp: &uspmsg.NotifyResp{}},
		}}}
	case "Empty":
		return nil
	default:
		t.Fatalf("usp> %s: unknown", w[0])
	}
	return &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: req}}
}

// flags takes a word, or a word with a value, out of a list.
func flags(w []string, flag string, value func(string)) (rest []string, found bool) {
	for _, s := range w {
		switch v, ok := strings.CutPrefix(s, flag); {
		case ok && value != nil:
			value(v)
			found = true
		case ok && v == "":
			found = true
		default:
			rest = append(rest, s)
		}
	}
	return rest, found
}

// setting reads NAME=VALUE or NAME!=VALUE; the value may be quoted.
func setting(s string) (name, value string, required bool) {
	name, value, _ = strings.Cut(s, "=")
	name, required = strings.CutSuffix(name, "!")
	if v, err := strconv.Unquote(value); err == nil {
		value = v
	}
	return name, value, required
}

// objects splits the words of a Set or Add at the semicolons.
func objects(w []string) [][]string {
	list := [][]string{{}}
	for _, s := range w {
		if s == ";" {
			list = append(list, nil)
			continue
		}
		list[len(list)-1] = append(list[len(list)-1], s)
	}
	return list
}

func parseSet(w []string) *uspmsg.Set {
	m := &uspmsg.Set{AllowPartial: w[1] == "partial"}
	for _, o := range objects(w[2:]) {
		u := &uspmsg.Set_UpdateObject{ObjPath: o[0]}
		for _, s := range o[1:] {
			p := &uspmsg.Set_UpdateParamSetting{}
			p.Param, p.Value, p.Required = setting(s)
			u.ParamSettings = append(u.ParamSettings, p)
		}
		m.UpdateObjs = append(m.UpdateObjs, u)
	}
	return m
}

func parseAdd(w []string) *uspmsg.Add {
	m := &uspmsg.Add{AllowPartial: w[1] == "partial"}
	for _, o := range objects(w[2:]) {
		c := &uspmsg.Add_CreateObject{ObjPath: o[0]}
		for _, s := range o[1:] {
			p := &uspmsg.Add_CreateParamSetting{}
			p.Param, p.Value, p.Required = setting(s)
			c.ParamSettings = append(c.ParamSettings, p)
		}
		m.CreateObjs = append(m.CreateObjs, c)
	}
	return m
}

func parseOperate(w []string) *uspmsg.Operate {
	m := &uspmsg.Operate{Command: w[1], SendResp: true, InputArgs: map[string]string{}}
	for _, s := range w[2:] {
		name, value, _ := setting(s)
		switch {
		case s == "noresp":
			m.SendResp = false
		case name == "key":
			m.CommandKey = value
		default:
			m.InputArgs[name] = value
		}
	}
	return m
}
