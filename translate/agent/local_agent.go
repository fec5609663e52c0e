// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strings"
	"time"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

const mtpTable = localRoot + "MTP."

// agentObjects is Device.LocalAgent. and its MTP table [TR-181 LocalAgent:1].
// The Agent is reached through the gateway, so its MTPs are shown, not set.
func agentObjects() []*localObject {
	agent := obj(localRoot,
		calc("EndpointID", path.TypeString, func(a *Agent, _ string) string { return string(a.id) }),
		calc("SoftwareVersion", path.TypeString, func(a *Agent, _ string) string { return a.host.opts.SoftwareVersion }),
		calc("UpTime", path.TypeUnsignedInt, func(a *Agent, _ string) string { return number(int(a.upTime().Seconds())) }),
		calc("SupportedProtocols", path.TypeString|path.List, func(a *Agent, _ string) string {
			return strings.Join(a.host.opts.Protocols, ",")
		}),
		ro("AdvertisedDeviceSubtypes", path.TypeString|path.List, ""),
		calc("SupportedNumberOfSubscriptions", path.TypeInt, func(a *Agent, _ string) string {
			return number(a.host.opts.Subscriptions)
		}),
		count("MTP"), count("Controller"), count("Subscription"), count("Request"),
		count("Certificate"), count("Threshold"),
		ro("SupportedFingerprintAlgorithms", path.TypeString|path.List, fingerprintAlgorithms),
		ro("SupportedThresholdOperator", path.TypeString|path.List, thresholdOperators),
	)
	agent.commands = []*command{addCertificateCommand()}
	agent.columns["UpTime"].still = true
	agent.events = []event{{name: "Periodic!"}, transferCompleteEvent()}
	mtp := obj(mtpTable+"{i}.",
		alias(),
		ro("Enable", path.TypeBoolean, "true"),
		ro("Status", path.TypeString, "Up"),
		ro("Protocol", path.TypeString, ""),
		ro("EnableMDNS", path.TypeBoolean, "false"),
	).keyed([]string{"Alias"})
	return []*localObject{agent, mtp}
}

// restore fills the local tree: from the stored state, and with what the
// configuration says. The lock is held.
func (a *Agent) restore(s *State, tree *Tree) {
	restarted := a.slept.IsZero()
	dirty := s == nil
	if s != nil {
		dirty = a.local.load(s, restarted)
		a.remember(s)
	}
	a.plant(tree)
	t := a.local.begin()
	a.restoreMTPs(t)
	if restarted { // [R-SEC.21]
		a.local.each(controllerTable, func(row string) { t.put(row+"InheritedRole", "") })
	}
	if restarted || a.host.cohorts.byTag {
		a.restoreTrust(t)
	}
	for _, c := range a.given() {
		a.restoreController(t, &c)
	}
	if !a.member.newborn {
		a.giveDefaults(t)
	}
	if !a.isGateway() {
		a.restoreFiles(t)
	}
	dirty = dirty || len(t.undo) > 0
	t.undo, t.changes = nil, nil // nobody has subscribed yet
	a.saving.instances, a.saving.planted = a.inst.Revision(), a.revision()
	if s != nil {
		a.resumeNotifies(s.Pending, restarted)
		a.resumeTransfers(s.Transfers, restarted)
	}
	a.host.grants.set(a.id, a.granted())
	a.demand()
	a.armThresholds()
	a.loadSubscriptions()
	a.resumeTimers(restarted)
	a.resumeOnBoarding()
	a.slept = time.Time{}
	if dirty {
		a.changed()
	}
}

// restoreMTPs makes one row for each MTP of the configuration.
func (a *Agent) restoreMTPs(t *tx) {
	for _, row := range rowsOf(a.local, mtpTable) {
		if !slices.Contains(a.host.opts.Protocols, a.local.get(row+"Protocol")) {
			t.remove(row)
		}
	}
	for _, p := range a.host.opts.Protocols {
		if a.local.find(mtpTable, "Protocol", p) == "" {
			t.set(t.add(mtpTable, "")+"Protocol", p)
		}
	}
}

func rowsOf(l *local, table string) []string {
	var rows []string
	l.each(table, func(row string) { rows = append(rows, row) })
	return rows
}

// invalid is shorthand for the error of a check.
func invalid(code usp.Code, p, text string) *usp.Error {
	return &usp.Error{Code: code, Path: p, Text: text}
}
