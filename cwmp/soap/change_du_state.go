// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import (
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// opStruct is what the type of an operation ends in: "InstallOpStruct".
const opStruct = "OpStruct"

func (d *decoder) changeDUState() (cwmp.Message, error) {
	m := &cwmp.ChangeDUState{}
	return m, d.each(func(name string) error {
		switch name {
		case "Operations":
			return d.operation(&m.Operations, operationKind(localName(trimSpace(d.attr("type")))))
		case "CommandKey":
			return d.key(&m.CommandKey)
		default:
			return nil
		}
	})
}

// operation reads one element of operations: an operation of the kind, or a
// wrapper around elements that are named after the types of operations, as
// those write it that take Operations for an array.
func (d *decoder) operation(list *[]cwmp.DUOperation, kind string) error {
	o := cwmp.DUOperation{Kind: kind}
	wrapper := d.attr("arrayType") != ""
	err := d.each(func(name string) error {
		switch name {
		case "URL":
			return d.word(&o.URL)
		case "UUID":
			return d.word(&o.UUID)
		case "Username":
			return d.key(&o.Username)
		case "Password":
			return d.key(&o.Password)
		case "ExecutionEnvRef":
			return d.word(&o.ExecutionEnvRef)
		case "Version":
			return d.key(&o.Version)
		}
		if kind := operationKind(name); kind != "" {
			wrapper = true
			return d.operation(list, kind)
		}
		return nil
	})
	if err == nil && !wrapper {
		*list = append(*list, o)
		err = d.entry()
	}
	return err
}

// operationKind returns the kind of operation of a type, "" if it is none.
func operationKind(typ string) string {
	kind, _ := strings.CutSuffix(typ, opStruct)
	for _, k := range [...]string{cwmp.DUInstall, cwmp.DUUpdate, cwmp.DUUninstall} {
		if len(kind) < len(typ) && strings.EqualFold(kind, k) {
			return k
		}
	}
	return ""
}

func (d *decoder) duStateChangeComplete() (cwmp.Message, error) {
	m := &cwmp.DUStateChangeComplete{}
	return m, d.each(func(name string) error {
		switch name {
		case "Results":
			return d.duResult(&m.Results)
		case "CommandKey":
			return d.key(&m.CommandKey)
		default:
			return nil
		}
	})
}

func (d *decoder) autonomousDUStateChangeComplete() (cwmp.Message, error) {
	m := &cwmp.AutonomousDUStateChangeComplete{}
	return m, d.each(func(name string) error {
		if name == "Results" {
			return d.duResult(&m.Results)
		}
		return nil
	})
}

// duResult reads one result, or an array of results: there are CPE that take
// Results for one.
func (d *decoder) duResult(list *[]cwmp.DUResult) error {
	var r cwmp.DUResult
	wrapper := d.attr("arrayType") != ""
	err := d.each(func(name string) error {
		switch name {
		case "UUID":
			return d.word(&r.UUID)
		case "DeploymentUnitRef":
			return d.word(&r.DeploymentUnitRef)
		case "Version":
			return d.key(&r.Version)
		case "CurrentState":
			return d.word(&r.CurrentState)
		case "Resolved":
			return d.flag(&r.Resolved)
		case "ExecutionUnitRefList":
			return d.word(&r.ExecutionUnitRefList)
		case "StartTime":
			return d.word(&r.StartTime)
		case "CompleteTime":
			return d.word(&r.CompleteTime)
		case "Fault":
			return d.faultStruct(&r.Fault)
		case "OperationPerformed":
			return d.word(&r.OperationPerformed)
		case "OpResultStruct", "AutonOpResultStruct":
			wrapper = true
			return d.duResult(list)
		default:
			return nil
		}
	})
	if err == nil && !wrapper {
		*list = append(*list, r)
		err = d.entry()
	}
	return err
}

func (w *writer) changeDUState(m *cwmp.ChangeDUState) {
	for i := range m.Operations {
		o := &m.Operations[i]
		kind := operationKind(o.Kind + opStruct)
		w.raw("<Operations")
		if kind != "" {
			w.raw(` xsi:type="cwmp:` + kind + opStruct + `"`)
		}
		w.raw(">")
		w.operation(kind, o)
		w.close("Operations")
	}
	w.text("CommandKey", m.CommandKey)
}

// operation writes the fields of one operation, each kind in its order.
func (w *writer) operation(kind string, o *cwmp.DUOperation) {
	switch kind {
	case cwmp.DUInstall:
		w.text("URL", o.URL)
		w.textIf("UUID", o.UUID)
	case cwmp.DUUninstall:
		w.text("UUID", o.UUID)
		w.textIf("Version", o.Version)
	default:
		w.textIf("UUID", o.UUID)
		w.textIf("Version", o.Version)
		w.textIf("URL", o.URL)
	}
	if kind != cwmp.DUUninstall {
		w.textIf("Username", o.Username)
		w.textIf("Password", o.Password)
	}
	if kind != cwmp.DUUpdate {
		w.textIf("ExecutionEnvRef", o.ExecutionEnvRef)
	}
}

func (w *writer) duResults(list []cwmp.DUResult, autonomous bool) {
	for i := range list {
		r := &list[i]
		w.open("Results")
		w.text("UUID", r.UUID)
		w.text("DeploymentUnitRef", r.DeploymentUnitRef)
		w.text("Version", r.Version)
		w.text("CurrentState", r.CurrentState)
		w.bool("Resolved", r.Resolved)
		w.text("ExecutionUnitRefList", r.ExecutionUnitRefList)
		w.time("StartTime", r.StartTime)
		w.time("CompleteTime", r.CompleteTime)
		w.faultStruct("Fault", &r.Fault)
		if autonomous {
			w.text("OperationPerformed", r.OperationPerformed)
		}
		w.close("Results")
	}
}
