// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strconv"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/transfer"
	"github.com/uspgate/uspgate/usp"
)

// duStateChangeEvent is Device.SoftwareModules.DUStateChange!, of CPE that have
// InstallDU().
func duStateChangeEvent() event {
	return event{"DUStateChange!", []string{
		"UUID", "DeploymentUnitRef", "Version", "CurrentState", "Resolved", "ExecutionUnitRefList", "StartTime",
		"CompleteTime", "OperationPerformed", "Fault.FaultCode", "Fault.FaultString",
	}}
}

// eventsOf returns the events of an object in generic form.
func (s *schema) eventsOf(generic string, o offers) []event {
	if own := s.byPath[generic]; own != nil {
		return own.events
	}
	if generic == softwareModules && len(s.commandsOf(generic, o)) > 0 {
		return []event{duStateChangeEvent()}
	}
	return nil
}

const softwareModules = "Device.SoftwareModules."

// maxUnits bounds of how many deployment units one report of a CPE is told of.
const maxUnits = 256

// duStateChanged sends DUStateChange! for each result of a ChangeDUState, or of what
// the CPE has done by itself [TR-181]. The lock is held.
func (a *Agent) duStateChanged(results []cwmp.DUResult) {
	if len(results) > maxUnits {
		a.log.Warn("a CPE reports too many deployment units at once; the others are not told of",
			zap.Int("reported", len(results)), zap.Int("told", maxUnits))
		results = results[:maxUnits]
	}
	for i := range results {
		r := &results[i]
		code, text := "0", ""
		if r.Fault.Code != 0 {
			code, text = number(int(usp.CodeCommandFailure)), faultText(r.Fault.Code, r.Fault.Text)
		}
		a.emitEvent(softwareModules, "DUStateChange!", map[string]string{
			"UUID": r.UUID, "DeploymentUnitRef": r.DeploymentUnitRef, "Version": r.Version,
			"CurrentState": r.CurrentState, "Resolved": strconv.FormatBool(r.Resolved),
			"ExecutionUnitRefList": r.ExecutionUnitRefList, "StartTime": transfer.DateTime(r.StartTime),
			"CompleteTime": transfer.DateTime(r.CompleteTime), "OperationPerformed": r.OperationPerformed,
			"Fault.FaultCode": code, "Fault.FaultString": text,
		}, "", nil)
	}
	a.otherwise()
}
