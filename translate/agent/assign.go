// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"slices"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/trace"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/translate/trust"
	"github.com/uspgate/uspgate/usp"
)

// assignment is one parameter that a Set or Add gives a value. Its err says why
// it cannot have it.
type assignment struct {
	object   string // instantiated, the row or object of the request
	rel      string // relative to object
	value    string
	required bool
	remote   bool     // on the CPE
	names    []string // of the CPE, that it is about
	err      *usp.Error
}

func (s *assignment) full() string { return s.object + s.rel }

// failedParam returns the first required assignment that failed, nil if there
// is none: the test of §3, allow_partial and required.
func failedParam(unit []*assignment) *assignment {
	for _, s := range unit {
		if s.required && s.err != nil {
			return s
		}
	}
	return nil
}

// plan checks an assignment against the data model, so that bad input never
// reaches the CPE. The lock is held.
func (a *Agent) plan(r *request, s *assignment) {
	if s.err = a.authorise(r.from, trust.WriteParam, s.full()); s.err != nil {
		return
	}
	s.remote = a.ofCPE(s.object) && a.paramOfCPE(s.full())
	if !s.remote {
		s.err = a.local.checkSet(s.object, s.rel, s.value, false)
		return
	}
	vals, bad := a.view.PlanSet([]model.Setting{{Path: s.full(), Value: s.value}})
	if len(bad) > 0 {
		s.err = bad[0].Err
	}
	for i := range vals {
		s.names = append(s.names, vals[i].Name)
	}
}

// remaining returns the assignments of the CPE that have not failed.
func remaining(unit []*assignment) []*assignment {
	var live []*assignment
	for _, s := range unit {
		if s.remote && s.err == nil {
			live = append(live, s)
		}
	}
	return live
}

// assign gives the CPE the values of one atomic unit: all in one
// SetParameterValues, which the CPE does as a whole or not at all. Where it
// refuses optional ones, it is asked again without them. What was refused has
// its err. The error returned is about everything: nothing was sent, or the
// outcome is unknown.
func (a *Agent) assign(ctx context.Context, r *request, unit []*assignment) *usp.Error {
	for {
		live := remaining(unit)
		vals := a.planTogether(live)
		if failedParam(live) != nil || len(vals) == 0 {
			return nil
		}
		_, err := r.write(ctx, &cwmp.SetParameterValues{Params: vals, ParameterKey: parameterKey})
		if err == nil {
			a.wrote(vals)
			return nil
		}
		var fault *cwmp.Fault
		if !errors.As(err, &fault) {
			return a.failed(err, live)
		}
		switch {
		case fault.Code == cwmp.FaultInternalError && a.applied(ctx, r.call, vals):
			return nil
		case blame(fault, live):
			if failedParam(live) != nil {
				return nil
			}
		case aboutParams(fault) && len(live) > 1:
			return a.assignApart(ctx, r, live, fault)
		default:
			refuse(live, fault)
			return nil
		}
	}
}

// planTogether makes the list for one SetParameterValues.
func (a *Agent) planTogether(live []*assignment) []cwmp.ParameterValue {
	if len(live) == 0 {
		return nil
	}
	settings := make([]model.Setting, len(live))
	for i, s := range live {
		settings[i] = model.Setting{Path: s.full(), Value: s.value}
	}
	a.lock()
	defer a.unlock()
	vals, bad := a.view.PlanSet(settings)
	for _, b := range bad {
		live[b.Index].err = b.Err
	}
	return vals
}

// failed ends a unit that was not answered by the CPE. Where the outcome is
// unknown, the objects are read back.
func (a *Agent) failed(err error, live []*assignment) *usp.Error {
	e := cpeError(err, "")
	for _, s := range live {
		s.err = e
	}
	if errors.Is(err, device.ErrOutcomeUnknown) {
		a.lock()
		defer a.unlock()
		for _, s := range live {
			a.doubt(s.object)
		}
	}
	return e
}

// applied reads what the CPE was to set and has answered with an internal error: some
// have set it all the same [quirk 59].
func (a *Agent) applied(ctx context.Context, call caller, vals []cwmp.ParameterValue) bool {
	var names []string
	for i := range vals {
		if !trace.Secret(vals[i].Name) { // which is not shown
			names = append(names, vals[i].Name)
		}
	}
	if len(names) == 0 || len(a.read(ctx, call, names)) > 0 {
		return false
	}
	a.lock()
	defer a.unlock()
	for i := range vals {
		got, ok := a.view.CPEValue(vals[i].Name)
		if !trace.Secret(vals[i].Name) && (!ok || got.Value != vals[i].Value) {
			return false
		}
	}
	return true
}

// blame gives each assignment the fault of its parameter, and reports whether
// there was any: some CPE give no list [quirk 14].
func blame(fault *cwmp.Fault, live []*assignment) bool {
	blamed := false
	for _, pf := range fault.Params {
		for _, s := range live {
			if slices.Contains(s.names, pf.Name) && s.err == nil {
				s.err = &usp.Error{Code: paramCode(pf.Code), Path: s.full(), Text: faultText(pf.Code, pf.Text)}
				blamed = true
			}
		}
	}
	return blamed
}

// aboutParams reports whether a fault is about the parameters, not the request.
func aboutParams(fault *cwmp.Fault) bool {
	switch fault.Code {
	case cwmp.FaultInvalidArguments, cwmp.FaultInvalidParameterName, cwmp.FaultInvalidParameterType,
		cwmp.FaultInvalidParameterValue, cwmp.FaultNonWritable:
		return true
	default:
		return false
	}
}

func refuse(live []*assignment, fault *cwmp.Fault) {
	for _, s := range live {
		s.err = &usp.Error{Code: paramCode(fault.Code), Path: s.full(), Text: faultText(fault.Code, fault.Text)}
	}
}

// assignApart finds what a CPE that gives no list does not want: the required
// ones together, then each optional one alone.
func (a *Agent) assignApart(ctx context.Context, r *request, live []*assignment, fault *cwmp.Fault) *usp.Error {
	var required, optional []*assignment
	for _, s := range live {
		if s.required {
			required = append(required, s)
		} else {
			optional = append(optional, s)
		}
	}
	if len(optional) == 0 {
		refuse(required, fault)
		return nil
	}
	if len(required) > 0 {
		if err := a.assign(ctx, r, required); err != nil || failedParam(required) != nil {
			return err
		}
	}
	for _, s := range optional {
		if err := a.assign(ctx, r, []*assignment{s}); err != nil && err.Code == usp.CodeOutcomeUnknown {
			return err
		}
	}
	return nil
}

// wrote takes over what the CPE has accepted. Secrets are not kept: the CPE
// shows them as it wants when it is read.
func (a *Agent) wrote(vals []cwmp.ParameterValue) {
	a.lock()
	defer a.unlock()
	a.publish(a.view.Observe(slices.DeleteFunc(slices.Clone(vals), func(v cwmp.ParameterValue) bool {
		return trace.Secret(v.Name)
	})))
}

// parameterKey is what writes leave in the CPE as its ParameterKey: always the
// same, since the gateway does not go by it [quirk 57].
const parameterKey = "uspgate"
