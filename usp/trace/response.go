// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"strings"

	"github.com/uspgate/uspgate/usp/uspmsg"
)

func (p *printer) response(r *uspmsg.Response, id string) {
	switch t := r.GetRespType().(type) {
	case *uspmsg.Response_GetResp:
		p.line("GetResp" + id)
		p.in(func() { p.getResp(t.GetResp) })
	case *uspmsg.Response_GetInstancesResp:
		p.line("GetInstancesResp" + id)
		p.in(func() { p.getInstancesResp(t.GetInstancesResp) })
	case *uspmsg.Response_GetSupportedDmResp:
		p.line("GetSupportedDMResp" + id)
		p.in(func() { p.getSupportedDMResp(t.GetSupportedDmResp) })
	case *uspmsg.Response_GetSupportedProtocolResp:
		p.line("GetSupportedProtocolResp" + id)
		p.in(func() { p.line(quote(t.GetSupportedProtocolResp.GetAgentSupportedProtocolVersions())) })
	case *uspmsg.Response_SetResp:
		p.line("SetResp" + id)
		p.in(func() { p.setResp(t.SetResp) })
	case *uspmsg.Response_AddResp:
		p.line("AddResp" + id)
		p.in(func() { p.addResp(t.AddResp) })
	case *uspmsg.Response_DeleteResp:
		p.line("DeleteResp" + id)
		p.in(func() { p.deleteResp(t.DeleteResp) })
	case *uspmsg.Response_OperateResp:
		p.line("OperateResp" + id)
		p.in(func() { p.operateResp(t.OperateResp) })
	case *uspmsg.Response_NotifyResp:
		p.line("NotifyResp" + id + " subscription_id=" + word(t.NotifyResp.GetSubscriptionId()))
	case *uspmsg.Response_RegisterResp:
		p.line("RegisterResp" + id)
		p.in(func() { p.registerResp(t.RegisterResp) })
	case *uspmsg.Response_DeregisterResp:
		p.line("DeregisterResp" + id)
		p.in(func() { p.deregisterResp(t.DeregisterResp) })
	default:
		p.line("Response of unknown type" + id)
	}
}

// getResp prints every parameter with its whole path, below what was asked for.
func (p *printer) getResp(r *uspmsg.GetResp) {
	for _, req := range r.GetReqPathResults() {
		if req.GetErrCode() != 0 {
			p.failed(req.GetRequestedPath(), req)
			continue
		}
		p.line(maskPath(req.GetRequestedPath()) + nothing(len(req.GetResolvedPathResults())))
		p.in(func() {
			for _, res := range req.GetResolvedPathResults() {
				if len(res.GetResultParams()) == 0 {
					p.line(quote(res.GetResolvedPath()))
				}
				p.values(res.GetResolvedPath(), res.GetResultParams())
			}
		})
	}
}

// nothing says that a search has found nothing.
func nothing(n int) string {
	if n == 0 {
		return " (nothing)"
	}
	return ""
}

func (p *printer) getInstancesResp(r *uspmsg.GetInstancesResp) {
	for _, req := range r.GetReqPathResults() {
		if req.GetErrCode() != 0 {
			p.failed(req.GetRequestedPath(), req)
			continue
		}
		p.line(maskPath(req.GetRequestedPath()) + nothing(len(req.GetCurrInsts())))
		p.in(func() {
			for _, i := range req.GetCurrInsts() {
				p.line(quote(i.GetInstantiatedObjPath()))
				p.in(func() { p.values("", i.GetUniqueKeys()) })
			}
		})
	}
}

func (p *printer) getSupportedDMResp(r *uspmsg.GetSupportedDMResp) {
	for _, req := range r.GetReqObjResults() {
		if req.GetErrCode() != 0 {
			p.failed(req.GetReqObjPath(), req)
			continue
		}
		uri := ""
		if u := req.GetDataModelInstUri(); u != "" {
			uri = " " + quote(u)
		}
		p.line(quote(req.GetReqObjPath()) + uri)
		p.in(func() {
			for _, o := range req.GetSupportedObjs() {
				p.supportedObject(o)
			}
		})
	}
}

func (p *printer) supportedObject(o *uspmsg.GetSupportedDMResp_SupportedObjectResult) {
	access := strings.ToLower(strings.TrimPrefix(o.GetAccess().String(), "OBJ_"))
	p.line(quote(o.GetSupportedObjPath()) + " " + access + flag("table", o.GetIsMultiInstance()))
	p.in(func() {
		for _, k := range o.GetUniqueKeySets() {
			p.line("unique key: " + names(k.GetKeyNames()))
		}
		for _, c := range o.GetSupportedParams() {
			notify := ""
			if c.GetValueChange() == uspmsg.GetSupportedDMResp_VALUE_CHANGE_WILL_IGNORE {
				notify = " no_value_change"
			}
			p.line(quote(c.GetParamName()) + " " + strings.ToLower(strings.TrimPrefix(c.GetValueType().String(), "PARAM_")) +
				" " + strings.ToLower(strings.TrimPrefix(c.GetAccess().String(), "PARAM_")) + notify)
		}
		for _, c := range o.GetSupportedCommands() {
			p.line(quote(c.GetCommandName()) + " " + strings.ToLower(strings.TrimPrefix(c.GetCommandType().String(), "CMD_")) +
				" (" + names(c.GetInputArgNames()) + ") → (" + names(c.GetOutputArgNames()) + ")")
		}
		for _, e := range o.GetSupportedEvents() {
			p.line(quote(e.GetEventName()) + " (" + names(e.GetArgNames()) + ")")
		}
		for _, d := range o.GetDivergentPaths() {
			p.line("divergent: " + quote(d))
		}
	})
}

// names prints a list of names.
func names(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = quote(s)
	}
	return strings.Join(out, ", ")
}

func (p *printer) setResp(r *uspmsg.SetResp) {
	for _, o := range r.GetUpdatedObjResults() {
		if f := o.GetOperStatus().GetOperFailure(); f != nil {
			p.failed(o.GetRequestedPath(), f)
			p.in(func() {
				for _, i := range f.GetUpdatedInstFailures() {
					p.line(quote(i.GetAffectedPath()))
					p.in(func() { paramErrors(p, i.GetParamErrs()) })
				}
			})
			continue
		}
		insts := o.GetOperStatus().GetOperSuccess().GetUpdatedInstResults()
		p.line(maskPath(o.GetRequestedPath()) + nothing(len(insts)))
		p.in(func() {
			for _, i := range insts {
				p.line(quote(i.GetAffectedPath()))
				p.in(func() {
					p.values("", i.GetUpdatedParams())
					paramErrors(p, i.GetParamErrs())
				})
			}
		})
	}
}

// paramError is one of SetResp or of AddResp.
type paramError interface {
	coded
	GetParam() string
}

func paramErrors[E paramError](p *printer, list []E) {
	for _, e := range list {
		p.failed(e.GetParam(), e)
	}
}

func (p *printer) addResp(r *uspmsg.AddResp) {
	for _, o := range r.GetCreatedObjResults() {
		if f := o.GetOperStatus().GetOperFailure(); f != nil {
			p.failed(o.GetRequestedPath(), f)
			continue
		}
		s := o.GetOperStatus().GetOperSuccess()
		p.line(maskPath(o.GetRequestedPath()))
		p.in(func() {
			p.line(quote(s.GetInstantiatedPath()))
			p.in(func() {
				p.values("", s.GetUniqueKeys())
				paramErrors(p, s.GetParamErrs())
			})
		})
	}
}

func (p *printer) deleteResp(r *uspmsg.DeleteResp) {
	for _, o := range r.GetDeletedObjResults() {
		if f := o.GetOperStatus().GetOperFailure(); f != nil {
			p.failed(o.GetRequestedPath(), f)
			continue
		}
		s := o.GetOperStatus().GetOperSuccess()
		p.line(maskPath(o.GetRequestedPath()) + nothing(len(s.GetAffectedPaths())+len(s.GetUnaffectedPathErrs())))
		p.in(func() {
			p.paths(s.GetAffectedPaths())
			for _, e := range s.GetUnaffectedPathErrs() {
				p.failed(e.GetUnaffectedPath(), e)
			}
		})
	}
}

func (p *printer) operateResp(r *uspmsg.OperateResp) {
	for _, o := range r.GetOperationResults() {
		if f := o.GetCmdFailure(); f != nil {
			p.failed(o.GetExecutedCommand(), f)
			continue
		}
		running := ""
		if req := o.GetReqObjPath(); req != "" {
			running = " running as " + quote(req)
		}
		p.line(quote(o.GetExecutedCommand()) + running)
		p.in(func() { p.values("", o.GetReqOutputArgs().GetOutputArgs()) })
	}
}

func (p *printer) registerResp(r *uspmsg.RegisterResp) {
	for _, o := range r.GetRegisteredPathResults() {
		if f := o.GetOperStatus().GetOperFailure(); f != nil {
			p.failed(o.GetRequestedPath(), f)
			continue
		}
		p.line(quote(o.GetRequestedPath()))
	}
}

func (p *printer) deregisterResp(r *uspmsg.DeregisterResp) {
	for _, o := range r.GetDeregisteredPathResults() {
		if f := o.GetOperStatus().GetOperFailure(); f != nil {
			p.failed(o.GetRequestedPath(), f)
			continue
		}
		p.line(quote(o.GetRequestedPath()))
		p.in(func() { p.paths(o.GetOperStatus().GetOperSuccess().GetDeregisteredPath()) })
	}
}
