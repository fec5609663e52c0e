// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

const thresholdTable = localRoot + "Threshold."

// The values of ThresholdOperator.
const (
	risesTo   = "Rise"
	fallsTo   = "Fall"
	crosses   = "Cross"
	equals    = "Eq"
	equalsNot = "NotEq"
)

// thresholdOperators is SupportedThresholdOperator.
const thresholdOperators = risesTo + "," + fallsTo + "," + crosses + "," + equals + "," + equalsNot

// maxThresholds bounds the Threshold table of one Agent, maxWatched the parameters that one
// row is about.
const (
	maxThresholds = 32
	maxWatched    = 256
)

// thresholdObjects is Device.LocalAgent.Threshold.; see thresholds.go.
func thresholdObjects() []*localObject {
	o := obj(thresholdTable+"{i}.",
		alias(),
		rw("Enable", path.TypeBoolean, "false"),
		rw("OperatingMode", path.TypeString, "Normal", oneOf("Normal", "Single")),
		rw("ReferencePath", path.TypeString, "", maxLen(256)),
		rw("ThresholdParam", path.TypeString, "", maxLen(256)),
		rw("ThresholdOperator", path.TypeString, risesTo, oneOf(strings.Split(thresholdOperators, ",")...)),
		rw("ThresholdValue", path.TypeString, "", maxLen(256)),
		ro("Controller", path.TypeString, ""),
	).keyed([]string{"Alias"}).rows()
	o.events = []event{{"Triggered!", []string{"ParamPath", "ParamValue"}}}
	o.added = func(t *tx, row string, by usp.EndpointID) {
		t.set(row+"Controller", strings.TrimSuffix(t.l.agent.controllerRow(by), "."))
	}
	o.check = checkThreshold
	return []*localObject{o}
}

// thresholdPath is what a row is about.
func (l *local) thresholdPath(row string) (path.Path, error) {
	object := l.get(row + "ReferencePath")
	if object != "" && !strings.HasSuffix(object, ".") {
		object += "."
	}
	return path.Parse(object + l.get(row+"ThresholdParam"))
}

// checkThreshold looks at a row as a whole. One that is about nothing, or compares what is
// no number, cannot be enabled.
func checkThreshold(l *local, row string) *usp.Error {
	if len(l.rows[thresholdTable]) > maxThresholds {
		return invalid(usp.CodeResourcesExceeded, row, "too many Thresholds")
	}
	if !l.isTrue(row + "Enable") {
		return nil
	}
	p, err := l.thresholdPath(row)
	switch op := l.get(row + "ThresholdOperator"); {
	case err != nil || p.Kind() != path.Parameter:
		return invalid(usp.CodeInvalidValue, row+"ThresholdParam", "with ReferencePath no path of a parameter")
	case !l.agent.mayExist(p):
		return invalid(usp.CodeInvalidValue, row+"ThresholdParam", p.String()+" is not in the supported data model")
	case op != equals && op != equalsNot && !isDecimal(l.get(row+"ThresholdValue")):
		return invalid(usp.CodeInvalidValue, row+"ThresholdValue", op+" compares numbers")
	}
	return nil
}
