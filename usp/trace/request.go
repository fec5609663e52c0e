// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"strconv"

	"github.com/uspgate/uspgate/usp/uspmsg"
)

// flag is a word with a space in front where it is set.
func flag(word string, set bool) string {
	if set {
		return " " + word
	}
	return ""
}

func (p *printer) paths(list []string) {
	for _, s := range list {
		p.line(maskPath(s))
	}
}

func (p *printer) request(r *uspmsg.Request, id string) {
	switch t := r.GetReqType().(type) {
	case *uspmsg.Request_Get:
		depth := ""
		if d := t.Get.GetMaxDepth(); d != 0 {
			depth = " max_depth=" + strconv.FormatUint(uint64(d), 10)
		}
		p.line("Get" + id + depth)
		p.in(func() { p.paths(t.Get.GetParamPaths()) })
	case *uspmsg.Request_GetInstances:
		p.line("GetInstances" + id + flag("first_level_only", t.GetInstances.GetFirstLevelOnly()))
		p.in(func() { p.paths(t.GetInstances.GetObjPaths()) })
	case *uspmsg.Request_GetSupportedDm:
		g := t.GetSupportedDm
		p.line("GetSupportedDM" + id + flag("first_level_only", g.GetFirstLevelOnly()) +
			flag("commands", g.GetReturnCommands()) + flag("events", g.GetReturnEvents()) +
			flag("params", g.GetReturnParams()) + flag("unique_key_sets", g.GetReturnUniqueKeySets()))
		p.in(func() { p.paths(g.GetObjPaths()) })
	case *uspmsg.Request_GetSupportedProtocol:
		p.line("GetSupportedProtocol" + id)
		p.in(func() { p.line(quote(t.GetSupportedProtocol.GetControllerSupportedProtocolVersions())) })
	default:
		p.change(r, id)
	}
}

// change prints the Requests that change something, and Notify.
func (p *printer) change(r *uspmsg.Request, id string) {
	switch t := r.GetReqType().(type) {
	case *uspmsg.Request_Set:
		p.line("Set" + id + flag("allow_partial", t.Set.GetAllowPartial()))
		for _, o := range t.Set.GetUpdateObjs() {
			settings(p, o.GetObjPath(), o.GetParamSettings())
		}
	case *uspmsg.Request_Add:
		p.line("Add" + id + flag("allow_partial", t.Add.GetAllowPartial()))
		for _, o := range t.Add.GetCreateObjs() {
			settings(p, o.GetObjPath(), o.GetParamSettings())
		}
	case *uspmsg.Request_Delete:
		p.line("Delete" + id + flag("allow_partial", t.Delete.GetAllowPartial()))
		p.in(func() { p.paths(t.Delete.GetObjPaths()) })
	case *uspmsg.Request_Operate:
		p.operate(t.Operate, id)
	case *uspmsg.Request_Notify:
		p.notify(t.Notify, id)
	case *uspmsg.Request_Register:
		p.line("Register" + id + flag("allow_partial", t.Register.GetAllowPartial()))
		p.in(func() {
			for _, r := range t.Register.GetRegPaths() {
				p.line(quote(r.GetPath()))
			}
		})
	case *uspmsg.Request_Deregister:
		p.line("Deregister" + id)
		p.in(func() { p.paths(t.Deregister.GetPaths()) })
	default:
		p.line("Request of unknown type" + id)
	}
}

// setting is one of Set or of Add.
type setting interface {
	GetParam() string
	GetValue() string
	GetRequired() bool
}

func settings[S setting](p *printer, object string, list []S) {
	p.in(func() {
		p.line(maskPath(object))
		p.in(func() {
			for _, s := range list {
				p.line(quote(s.GetParam()) + " = " + value(s.GetParam(), s.GetValue()) + flag("(required)", s.GetRequired()))
			}
		})
	})
}

func (p *printer) operate(o *uspmsg.Operate, id string) {
	key := ""
	if k := o.GetCommandKey(); k != "" {
		key = " command_key=" + word(k)
	}
	p.line("Operate" + id + key + flag("send_resp", o.GetSendResp()))
	p.in(func() {
		p.line(maskPath(o.GetCommand()))
		p.in(func() { p.values("", o.GetInputArgs()) })
	})
}

func (p *printer) notify(n *uspmsg.Notify, id string) {
	p.line("Notify" + id + " subscription_id=" + word(n.GetSubscriptionId()) + flag("send_resp", n.GetSendResp()))
	p.in(func() { p.notification(n) })
}

func (p *printer) notification(n *uspmsg.Notify) {
	switch t := n.GetNotification().(type) {
	case *uspmsg.Notify_ValueChange_:
		v := t.ValueChange
		p.line("ValueChange " + quote(v.GetParamPath()) + " = " + value(v.GetParamPath(), v.GetParamValue()))
	case *uspmsg.Notify_Event_:
		p.line("Event " + quote(t.Event.GetObjPath()+t.Event.GetEventName()))
		p.in(func() { p.values("", t.Event.GetParams()) })
	case *uspmsg.Notify_ObjCreation:
		p.line("ObjectCreation " + quote(t.ObjCreation.GetObjPath()))
		p.in(func() { p.values("", t.ObjCreation.GetUniqueKeys()) })
	case *uspmsg.Notify_ObjDeletion:
		p.line("ObjectDeletion " + quote(t.ObjDeletion.GetObjPath()))
	case *uspmsg.Notify_OperComplete:
		o := t.OperComplete
		command := quote(o.GetObjPath() + o.GetCommandName())
		key := ""
		if k := o.GetCommandKey(); k != "" {
			key = " command_key=" + word(k)
		}
		if f := o.GetCmdFailure(); f != nil {
			p.failed("OperationComplete "+command+key, f)
			return
		}
		p.line("OperationComplete " + command + key)
		p.in(func() { p.values("", o.GetReqOutputArgs().GetOutputArgs()) })
	case *uspmsg.Notify_OnBoardReq:
		o := t.OnBoardReq
		p.line("OnBoardRequest oui=" + word(o.GetOui()) + " product_class=" + word(o.GetProductClass()) +
			" serial_number=" + word(o.GetSerialNumber()) +
			" versions=" + word(o.GetAgentSupportedProtocolVersions()))
	default:
		p.line("notification of unknown type")
	}
}
