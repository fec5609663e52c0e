// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/profile"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// discoveredBy runs a CPE of which p is written until it is discovered, and returns what
// it was asked.
func discoveredBy(t *testing.T, p profile.Profile, then func(*rig)) []cwmp.Request {
	t.Helper()
	var rpcs []cwmp.Request
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer func() { r.stop() }()
		row := profile.Row{For: profile.Model{SoftwareVersion: "1.*"}, Profile: p}
		table, err := profile.NewTable([]profile.Row{row})
		if err != nil {
			t.Fatal(err)
		}
		r.opts.Profiles = table
		r.restart()
		r.answers = make(chan *uspmsg.Msg, 16)
		r.cpe.before = func(req cwmp.Request) { rpcs = append(rpcs, req) }
		r.meet(r.cpe)
		if then != nil {
			then(r)
		}
		r.shows(t, r.cpe.cells[oddSSID].value)
	})
	return rpcs
}

func hasObject(names []string) bool { return slices.ContainsFunc(names, cwmp.IsPartialPath) }

// NextLevel is written as a profile has it, from the first time on.
func TestQuirk49NextLevelByProfile(t *testing.T) {
	t.Parallel()
	asked := namesAsked(discoveredBy(t, profile.Profile{NextLevel: profile.Words}, nil))
	if len(asked) == 0 || slices.ContainsFunc(asked, func(m cwmp.GetParameterNames) bool { return !m.Words }) {
		t.Errorf("got %+v, want words alone", asked)
	}
}

// A CPE that is to be walked for some levels is asked for the rest of each object.
func TestQuirk52WalkLevels(t *testing.T) {
	t.Parallel()
	all := discoveredBy(t, profile.Profile{Names: profile.NamesWalk}, nil)
	some := namesAsked(discoveredBy(t, profile.Profile{Names: profile.NamesWalk, WalkLevels: 1}, nil))
	if len(some) < 3 || len(some) >= len(namesAsked(all)) {
		t.Errorf("got %d questions, want fewer than the %d of all levels", len(some), len(namesAsked(all)))
	}
	for _, m := range some {
		if root := m.Path == "" || m.Path == "Device."; m.NextLevel != root {
			t.Errorf("got %+v, want one level of the root, and all that is in the others", m)
		}
	}
}

// No more names are asked for at once than a profile says.
func TestQuirk53BatchByProfile(t *testing.T) {
	t.Parallel()
	asked := valuesAsked(discoveredBy(t, profile.Profile{Batch: 2}, nil))
	if len(asked) < 2 || slices.ContainsFunc(asked, func(names []string) bool { return len(names) > 2 }) {
		t.Errorf("got %q, want two names at once at most", asked)
	}
}

// A CPE that gives no values by object is never asked for them.
func TestQuirk54NoPartialByProfile(t *testing.T) {
	t.Parallel()
	asked := valuesAsked(discoveredBy(t, profile.Profile{NoPartial: true}, nil))
	if len(asked) == 0 || slices.ContainsFunc(asked, hasObject) {
		t.Errorf("got %q, want parameters alone", asked)
	}
}

// What a profile leaves out is not asked for, alone or with others; what is beside it is.
func TestIgnoredByProfile(t *testing.T) {
	t.Parallel()
	const bad, beside = "Device.WiFi.SSID.2.SSID", "Device.WiFi.SSID.2.Enable"
	ignore := []string{"Device.WiFi.SSID.{i}.SSID", "Device.NAT."}
	var rpcs []cwmp.Request
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer func() { r.stop() }()
		table, err := profile.NewTable([]profile.Row{{
			For: profile.Model{OUI: "*"}, Profile: profile.Profile{Ignore: ignore},
		}})
		if err != nil {
			t.Fatal(err)
		}
		r.opts.Profiles = table
		r.restart()
		r.answers = make(chan *uspmsg.Msg, 16)
		r.cpe.before = func(req cwmp.Request) { rpcs = append(rpcs, req) }
		r.meet(r.cpe)
		got := values(r.words(t, "Get", "Device.WiFi.", "Device.NAT."))
		if got[beside] != "false" {
			t.Errorf("got %q for %s, want false", got[beside], beside)
		}
	})
	for _, names := range valuesAsked(rpcs) {
		for _, name := range names {
			covers := strings.HasPrefix(bad, name) || strings.HasPrefix(name, "Device.NAT.")
			if covers || name == "Device." {
				t.Errorf("got %q asked for, want %q left out", name, ignore)
			}
		}
	}
}

// How one CPE writes NextLevel, and that it gives no values by object, is learned for its
// model.
func TestQuirk49And54AreOfTheModel(t *testing.T) {
	t.Parallel()
	refuse := func(req cwmp.Request, resp cwmp.Response, err error) (cwmp.Response, error) {
		switch m := req.(type) {
		case *cwmp.GetParameterNames:
			if !m.Words {
				return nil, &cwmp.Fault{Code: cwmp.FaultInvalidArguments}
			}
		case *cwmp.GetParameterValues:
			if hasObject(m.Names) {
				return nil, &cwmp.Fault{Code: cwmp.FaultInvalidParameterName}
			}
		}
		return resp, err
	}
	odd(t, refuse, func(r *rig) {
		c, rpcs := r.sister(others[0])
		c.twist = refuse
		r.meet(c)
		r.shows(t, c.cells[oddSSID].value)
		names, vals := namesAsked(*rpcs), valuesAsked(*rpcs)
		if len(names) == 0 || slices.ContainsFunc(names, func(m cwmp.GetParameterNames) bool { return !m.Words }) {
			t.Errorf("got %+v asked of a sister, want words alone", names)
		}
		if len(vals) == 0 || slices.ContainsFunc(vals, hasObject) {
			t.Errorf("got %q asked of a sister, want parameters alone", vals)
		}
	})
}

// An object that is refused says nothing of the others: they are asked for as a whole.
func TestQuirk54OneObjectIsRefused(t *testing.T) {
	t.Parallel()
	const bad = "Device.DeviceInfo."
	refuse := func(req cwmp.Request, resp cwmp.Response, err error) (cwmp.Response, error) {
		if m, ok := req.(*cwmp.GetParameterValues); ok && slices.Contains(m.Names, bad) {
			return nil, &cwmp.Fault{Code: cwmp.FaultInternalError}
		}
		return resp, err
	}
	asked := valuesAsked(odd(t, refuse, func(r *rig) { r.shows(t, r.cpe.cells[oddSSID].value) }))
	if !slices.ContainsFunc(asked, func(names []string) bool {
		return slices.Contains(names, "Device.WiFi.") && !slices.Contains(names, bad)
	}) {
		t.Errorf("got %q, want Device.WiFi. as a whole", asked)
	}
}
