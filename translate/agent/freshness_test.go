// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// freshnessRule reads PATH+30s, PATH+live or PATH+cached, with +answer.
func freshnessRule(tb testing.TB, text string) agent.FreshnessRule {
	tb.Helper()
	words := strings.Split(text, "+")
	r := agent.FreshnessRule{Path: words[0], Cached: words[1] == "cached", StaleAnswer: len(words) > 2}
	if words[1] != "cached" && words[1] != "live" {
		d, err := time.ParseDuration(words[1])
		if err != nil {
			tb.Fatal(err)
		}
		r.MaxAge = d
	}
	return r
}

// What an Inform has said was read then.
func TestInformIsFresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "freshness=1m")
		defer r.stop()
		r.inform(events("1_BOOT"))
		synctest.Wait()
		<-time.After(10 * time.Minute)
		r.inform(events("2_PERIODIC"), "Device.DeviceInfo.ProvisioningCode")
		synctest.Wait()
		calls := r.cpe.calls
		r.send("self::ctl", "", split("Get Device.DeviceInfo.ProvisioningCode"))
		synctest.Wait()
		if r.cpe.calls != calls {
			t.Errorf("got %d RPCs for what the Inform has said just now, want none", r.cpe.calls-calls)
		}
		r.send("self::ctl", "", split("Get Device.DeviceInfo.ModelName"))
		synctest.Wait()
		if r.cpe.calls != calls+1 {
			t.Errorf("got %d RPCs for what it has not said, want 1", r.cpe.calls-calls)
		}
		<-time.After(2 * time.Minute)
		r.send("self::ctl", "", split("Get Device.DeviceInfo.ProvisioningCode"))
		synctest.Wait()
		if r.cpe.calls != calls+2 {
			t.Errorf("got %d RPCs when it is too old, want 1", r.cpe.calls-calls-1)
		}
	})
}

// A restart makes no value fresher than it was.
func TestRestartMakesNothingFresher(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		down time.Duration
		rpcs int
	}{{30 * time.Second, 0}, {2 * time.Minute, 1}} {
		t.Run(c.down.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "tr181", "freshness=5m")
				defer func() { r.stop() }()
				r.inform(events("1_BOOT"))
				synctest.Wait()
				r.inform(events("2_PERIODIC")) // the session in which it was read is over
				synctest.Wait()
				<-time.After(4 * time.Minute)
				r.restart("killed")
				<-time.After(c.down)
				calls := r.cpe.calls
				r.send("self::ctl", "", split("Get Device.WiFi.SSID.1.SSID"))
				synctest.Wait()
				if got := r.cpe.calls - calls; got != c.rpcs {
					t.Errorf("got %d RPCs %v after the restart, want %d", got, c.down, c.rpcs)
				}
			})
		})
	}
}

// A rule that makes no sense is refused, with the path that it is about.
func TestFreshnessRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule agent.FreshnessRule
		want string // in the error; empty: none
	}{
		{agent.FreshnessRule{Path: "Device."}, ""},
		{agent.FreshnessRule{Path: "Device.WiFi.SSID.*.Stats.BytesSent", MaxAge: time.Minute, StaleAnswer: true}, ""},
		{agent.FreshnessRule{Path: "Device.WiFi.SSID.{i}.", Cached: true, StaleAnswer: true}, ""},
		{agent.FreshnessRule{Path: "Device.WiFi.SSID.1."}, "write {i}"},
		{agent.FreshnessRule{Path: "InternetGatewayDevice."}, "begins with Device"},
		{agent.FreshnessRule{Path: "Device.Reboot()"}, "no value"},
		{agent.FreshnessRule{Path: "Device.WiFi..X"}, "invalid path"},
		{agent.FreshnessRule{Path: "Device.WiFi.", StaleAnswer: true}, "is live"},
		{agent.FreshnessRule{Path: "Device.WiFi.", MaxAge: -1}, "less than 0"},
	} {
		err := c.rule.Check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want an error with %q", c.rule.Path, err, c.want)
		}
	}
	loaded, err := rules()
	if err != nil {
		t.Fatal(err)
	}
	opts := agent.Options{Send: func(usp.Record) {}, Rules: loaded}
	opts.FreshnessRules = []agent.FreshnessRule{{Path: "Device.WiFi.SSID.*."}, {Path: "Device.WiFi.SSID.{i}."}}
	if _, err := agent.NewHost(opts); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("got %v for a path that is there twice, want an error", err)
	}
	opts.FreshnessRules = make([]agent.FreshnessRule, agent.MaxFreshnessRules+1)
	if _, err := agent.NewHost(opts); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("got %v for too many rules, want an error", err)
	}
}

// How many names a CPE takes at once [quirk 53], and which it announces and does not give
// [quirk 51], is found out once, also where the gateway restarts.
func TestLimitsOfReadsOutliveARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most, ghost = 3, "Device.WiFi.SSID.1.Status"
		r := newRig(t, "tr181")
		defer func() { r.stop() }()
		var rpcs []cwmp.Request
		r.cpe.before = func(req cwmp.Request) { rpcs = append(rpcs, req) }
		r.cpe.twist = func(req cwmp.Request, resp cwmp.Response, err error) (cwmp.Response, error) {
			m, ok := req.(*cwmp.GetParameterValues)
			switch {
			case ok && len(m.Names) > most:
				return nil, &cwmp.Fault{Code: cwmp.FaultResourcesExceeded}
			case ok && slices.Contains(m.Names, ghost):
				return nil, &cwmp.Fault{Code: cwmp.FaultInvalidParameterName}
			}
			return resp, err
		}
		r.inform(events("1_BOOT"))
		synctest.Wait()
		const names = "Device.WiFi.SSID.1.SSID " + ghost + " Device.WiFi.SSID.1.Enable Device.WiFi.SSID.2.SSID " +
			"Device.WiFi.SSID.2.Enable Device.WiFi.Radio.1.Channel Device.DeviceInfo.ModelName"
		ask := func() [][]string {
			rpcs = nil
			r.send("self::ctl", "", split("Get "+names))
			synctest.Wait()
			if got := len(r.lastSent().GetBody().GetResponse().GetGetResp().GetReqPathResults()); got != 7 {
				t.Fatalf("got %d results, want 7", got)
			}
			return valuesAsked(rpcs)
		}
		ask() // finds out
		r.inform(events("2_PERIODIC"))
		<-time.After(time.Second)
		for _, when := range []string{"before", "after"} {
			asked := ask()
			if len(asked) < 2 || slices.ContainsFunc(asked, func(names []string) bool { return len(names) > most }) {
				t.Errorf("%s the restart: got %q, want %d names at once at most", when, asked, most)
			}
			if slices.Contains(slices.Concat(asked...), ghost) {
				t.Errorf("%s the restart: got %q, want nothing that the CPE does not give", when, asked)
			}
			if when == "before" {
				r.restart("killed")
			}
		}
	})
}

// What a search looks at is bounded: of one object it is read as a whole then, where it
// leads elsewhere the path is refused.
func TestSearchThatLooksAtMuch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "freshness=1h", "fresh=Device.WiFi.SSID.{i}.Status+live", "paths=1")
		defer r.stop()
		r.inform(events("1_BOOT"))
		synctest.Wait()
		<-time.After(time.Second)
		var rpcs []cwmp.Request
		r.cpe.before = func(req cwmp.Request) { rpcs = append(rpcs, req) }
		const one, two = `Device.WiFi.SSID.[Status=="Up"].SSID`, `Device.WiFi.SSID.[LowerLayers+.Channel==6].SSID`
		r.send("self::ctl", "", split("Get "+one+" "+two))
		synctest.Wait()
		if asked := valuesAsked(rpcs); len(asked) != 1 || !slices.Equal(asked[0], []string{"Device.WiFi.SSID."}) {
			t.Errorf("got %q asked of the CPE, want the table", asked)
		}
		got := r.lastSent().GetBody().GetResponse().GetGetResp().GetReqPathResults()
		if len(got) != 2 || got[0].GetErrCode() != 0 || got[1].GetErrCode() != uint32(usp.CodeResourcesExceeded) {
			t.Errorf("got %v, want the first and 7005 for the second", got)
		}
	})
}
