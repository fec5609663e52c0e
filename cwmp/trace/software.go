// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"strconv"

	"github.com/uspgate/uspgate/cwmp"
)

// software prints the messages about software modules and vouchers. Of a
// voucher only that it is there: it is worth money.
func (p *printer) software(m cwmp.Message) bool {
	switch m := m.(type) {
	case *cwmp.ChangeDUState:
		p.argIf("CommandKey", m.CommandKey)
		list(p, m.Operations, (*printer).operation)
	case *cwmp.DUStateChangeComplete:
		p.arg("CommandKey", m.CommandKey)
		list(p, m.Results, (*printer).result)
	case *cwmp.AutonomousDUStateChangeComplete:
		list(p, m.Results, (*printer).result)
	case *cwmp.SetVouchers:
		list(p, m.Vouchers, func(p *printer, _ *string) { p.b.WriteString(mask) })
	case *cwmp.GetOptions:
		p.b.WriteString(" " + strconv.Quote(m.OptionName))
	case *cwmp.GetOptionsResponse:
		list(p, m.Options, (*printer).option)
	default:
		return false
	}
	return true
}

func (p *printer) operation(o *cwmp.DUOperation) {
	kind := o.Kind
	if kind == "" {
		kind = "(no kind)"
	}
	p.b.WriteString(clean(kind))
	p.argIf("URL", maskURL(o.URL))
	p.argIf("UUID", o.UUID)
	p.argIf("Version", o.Version)
	p.user(o.Username, o.Password)
	p.argIf("ExecutionEnvRef", o.ExecutionEnvRef)
}

func (p *printer) result(r *cwmp.DUResult) {
	state := r.CurrentState
	if state == "" {
		state = "(no state)"
	}
	p.b.WriteString(clean(state))
	p.argIf("OperationPerformed", r.OperationPerformed)
	p.argIf("UUID", r.UUID)
	p.argIf("DeploymentUnitRef", r.DeploymentUnitRef)
	p.argIf("Version", r.Version)
	p.flag("Resolved", r.Resolved)
	p.argIf("ExecutionUnitRefList", r.ExecutionUnitRefList)
	p.outcome(&r.Fault)
	p.times(r.StartTime, r.CompleteTime)
}

func (p *printer) option(o *cwmp.Option) {
	p.b.WriteString(strconv.Quote(o.Name))
	p.num("VoucherSN", int64(o.VoucherSN))
	p.num("State", int64(o.State))
	p.num("Mode", int64(o.Mode))
	p.argIf("StartDate", o.StartDate)
	p.argIf("ExpirationDate", o.ExpirationDate)
	p.flag("IsTransferable", o.IsTransferable)
}
