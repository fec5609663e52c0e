// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// unitCommands are the commands about Deployment Units: a ChangeDUState each, and
// complete with the DUStateChangeComplete of its CommandKey [TR-069 A.4.1.10, A.4.2.3].
//
// Deviation unit_arguments: CWMP has no words for privileges, roles, resources and
// environment of a Deployment Unit: the arguments about them are not supported.
func unitCommands() []*command {
	wait := func(o *Options) time.Duration { return o.UnitWait }
	const units = softwareModules + "DeploymentUnit.{i}."
	return []*command{
		{
			name: "InstallDU()", async: true, object: softwareModules, needs: needs{tr181: "SoftwareModules."},
			in:       []string{"URL", "UUID", "Username", "Password", "ExecutionEnvRef"},
			out:      []string{"UUID", "Version", "ExecEnvRef"},
			required: []string{"URL"}, run: (*Agent).operateJob,
			job: &job{begin: beginUnit(installUnit), wait: wait},
		},
		{
			name: "Update()", async: true, object: units, needs: needs{tr181: "SoftwareModules.DeploymentUnit.{i}."},
			in: []string{"URL", "Username", "Password"}, run: (*Agent).operateJob,
			job: &job{begin: beginUnit(updateUnit), wait: wait, alone: true},
		},
		{
			name: "Uninstall()", async: true, object: units, needs: needs{tr181: "SoftwareModules.DeploymentUnit.{i}."},
			run: (*Agent).operateJob,
			job: &job{begin: beginUnit(uninstallUnit), wait: wait, alone: true},
		},
	}
}

// unitArguments reports whether a call has arguments that a Deployment Unit cannot be
// given.
func unitArguments(c *call) bool {
	for name := range c.args {
		if !slices.Contains(c.cmd.in, path.Generic(name)) {
			return true
		}
	}
	return false
}

// beginUnit makes the RPC of one operation.
func beginUnit(f func(a *Agent, w *work) cwmp.DUOperation) func(*Agent, *work) (cwmp.Request, *usp.Error) {
	return func(a *Agent, w *work) (cwmp.Request, *usp.Error) {
		op := f(a, w)
		if op.Kind != cwmp.DUInstall && op.UUID == "" {
			return nil, invalid(usp.CodeCommandFailure, "", "the CPE has not said which UUID the Deployment Unit has")
		}
		return &cwmp.ChangeDUState{Operations: []cwmp.DUOperation{op}, CommandKey: w.key}, nil
	}
}

func installUnit(_ *Agent, w *work) cwmp.DUOperation {
	return cwmp.DUOperation{
		Kind: cwmp.DUInstall, URL: w.args["URL"], UUID: w.args["UUID"], Username: w.args["Username"],
		Password: w.args["Password"], ExecutionEnvRef: w.args["ExecutionEnvRef"],
	}
}

func updateUnit(a *Agent, w *work) cwmp.DUOperation {
	uuid, _ := a.value(w.object + "UUID")
	return cwmp.DUOperation{
		Kind: cwmp.DUUpdate, URL: w.args["URL"], UUID: uuid, Username: w.args["Username"], Password: w.args["Password"],
	}
}

func uninstallUnit(a *Agent, w *work) cwmp.DUOperation {
	uuid, _ := a.value(w.object + "UUID")
	version, _ := a.value(w.object + "Version")
	return cwmp.DUOperation{Kind: cwmp.DUUninstall, UUID: uuid, Version: version}
}

// unitsChanged ends the command that a DUStateChangeComplete is about. The lock is held.
func (a *Agent) unitsChanged(r *cwmp.DUStateChangeComplete) {
	a.eachJob(func(w *work) {
		if w.key != r.CommandKey || w.cmd.job.look != nil || len(r.Results) == 0 {
			return
		}
		res := &r.Results[0] // of the one operation
		o := outcome{}
		switch {
		case res.Fault.Code != 0:
			o.err = invalid(usp.CodeCommandFailure, "", faultText(res.Fault.Code, res.Fault.Text))
		case res.CurrentState == "Failed":
			o.err = invalid(usp.CodeCommandFailure, "", "the CPE has failed, without a fault")
		case w.cmd.name == "InstallDU()":
			o.output = map[string]string{"UUID": strings.Clone(res.UUID), "Version": strings.Clone(res.Version)}
			if ref := w.args["ExecutionEnvRef"]; ref != "" {
				o.output["ExecEnvRef"] = ref
			}
		}
		a.endJob(w, o)
	})
}
