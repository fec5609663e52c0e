// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/uspgate/uspgate/cwmp"
)

// maxUnits bounds the deployment units, and the operations of one request.
const maxUnits = 16

// The states of a deployment unit after an operation.
const (
	stateInstalled   = "Installed"
	stateUninstalled = "Uninstalled"
	stateFailed      = "Failed"
)

// changeDUState answers; the operations are done after the session, and a
// DUStateChangeComplete follows [TR-069 A.4.1.10].
func (c *CPE) changeDUState(m *cwmp.ChangeDUState) cwmp.Response {
	if len(m.CommandKey) > maxParameterKey || len(m.Operations) == 0 {
		return fault(cwmp.FaultInvalidArguments)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(m.Operations) > maxUnits || len(c.todo.changes) >= maxUnits {
		return fault(cwmp.FaultResourcesExceeded)
	}
	c.todo.changes = append(c.todo.changes, m)
	return &cwmp.ChangeDUStateResponse{}
}

// changeUnits does the operations one after the other.
func (c *CPE) changeUnits(ctx context.Context, m *cwmp.ChangeDUState) {
	done := &cwmp.DUStateChangeComplete{CommandKey: m.CommandKey}
	for _, op := range m.Operations {
		r := c.changeUnit(ctx, op)
		if ctx.Err() != nil {
			return
		}
		done.Results = append(done.Results, r)
	}
	c.client.Send(done, cwmp.Event{Code: cwmp.EventDUStateChange},
		cwmp.Event{Code: cwmp.EventMChangeDUState, CommandKey: m.CommandKey})
}

func (c *CPE) changeUnit(ctx context.Context, op cwmp.DUOperation) cwmp.DUResult {
	r := cwmp.DUResult{
		UUID: op.UUID, Version: op.Version, CurrentState: stateFailed, StartTime: time.Now().UTC().Format(time.RFC3339),
	}
	if code := c.operate(ctx, op, &r); code != 0 {
		r.Fault = *fault(code)
		r.StartTime, r.CompleteTime = unknownTime, unknownTime
		return r
	}
	r.CompleteTime = time.Now().UTC().Format(time.RFC3339)
	return r
}

var isUUID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`).MatchString

// operate does one operation, and returns its fault code.
func (c *CPE) operate(ctx context.Context, op cwmp.DUOperation, r *cwmp.DUResult) int {
	if op.UUID != "" && !isUUID(op.UUID) {
		return cwmp.FaultInvalidUUID
	}
	if op.Kind == cwmp.DUInstall && op.URL == "" || op.Kind == cwmp.DUUninstall && op.UUID == "" {
		return cwmp.FaultInvalidArguments
	}
	if op.Kind != cwmp.DUUninstall && op.URL != "" {
		t := &transfer{url: op.URL, username: op.Username, password: op.Password}
		if _, f := c.fetch(ctx, t); f.Code != 0 {
			return f.Code
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.units, func(u cwmp.DUResult) bool {
		this := op.Kind != cwmp.DUUninstall || op.Version == "" || u.Version == op.Version
		return op.UUID != "" && u.UUID == op.UUID && this
	})
	switch {
	case op.Kind == cwmp.DUInstall:
		return c.install(at, op, r)
	case at < 0:
		return cwmp.FaultUnknownDU
	case op.Kind == cwmp.DUUpdate:
		next := op.Version
		if next == "" {
			next = nextVersion(c.units[at].Version)
		}
		if next == c.units[at].Version {
			return cwmp.FaultVersionExists
		}
		c.units[at].Version = next
		*r = c.result(c.units[at], r, stateInstalled)
		c.root = c.root.put(r.DeploymentUnitRef+".Version", next, cwmp.TypeString, false)
	case op.Kind == cwmp.DUUninstall:
		*r = c.result(c.units[at], r, stateUninstalled)
		c.root = c.root.edit(r.DeploymentUnitRef, func(*node) *node { return nil })
		c.units = slices.Delete(c.units, at, at+1)
	default:
		return cwmp.FaultInvalidArguments
	}
	return 0
}

// install makes the deployment unit and its row. The caller has the lock.
func (c *CPE) install(at int, op cwmp.DUOperation, r *cwmp.DUResult) int {
	switch {
	case at >= 0:
		return cwmp.FaultDuplicateDU
	case len(c.units) >= maxUnits:
		return cwmp.FaultSystemResources
	}
	if op.UUID == "" {
		sum := sha1.Sum([]byte(op.URL))
		s := hex.EncodeToString(sum[:])
		op.UUID = s[:8] + "-" + s[8:12] + "-5" + s[13:16] + "-a" + s[17:20] + "-" + s[20:32]
	}
	n := 1
	for c.root.find(c.unitPath(n)) != nil {
		n++
	}
	u := cwmp.DUResult{UUID: op.UUID, DeploymentUnitRef: c.unitPath(n), Version: "1.0", Resolved: true}
	for _, p := range [][2]string{
		{"UUID", u.UUID},
		{"DUID", strconv.Itoa(n)},
		{"Name", "unit" + strconv.Itoa(n)},
		{"Status", stateInstalled},
		{"Resolved", "1"},
		{"URL", op.URL},
		{"Version", u.Version},
		{"ExecutionEnvRef", op.ExecutionEnvRef},
	} {
		c.root = c.root.put(u.DeploymentUnitRef+"."+p[0], p[1], cwmp.TypeString, false)
	}
	c.units = append(c.units, u)
	*r = c.result(u, r, stateInstalled)
	return 0
}

func (c *CPE) unitPath(n int) string {
	return c.model.Root() + "SoftwareModules.DeploymentUnit." + strconv.Itoa(n)
}

// result is what is reported of u.
func (*CPE) result(u cwmp.DUResult, r *cwmp.DUResult, state string) cwmp.DUResult {
	u.StartTime, u.CurrentState = r.StartTime, state
	return u
}
