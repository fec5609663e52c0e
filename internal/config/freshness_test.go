// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/translate/agent"
)

func TestFreshness(t *testing.T) {
	t.Parallel()
	type rule = agent.FreshnessRule
	for _, tc := range []struct {
		yaml string
		age  time.Duration
		want []rule
	}{
		{"{}", 5 * time.Minute, nil},
		{"{freshness: 0}", 0, nil},
		{"{freshness: 30s}", 30 * time.Second, nil},
		{"{freshness: live, stale: answer}", 0, nil},
		{"{freshness: 1m, stale: answer}", time.Minute, []rule{{Path: "Device.", MaxAge: time.Minute, StaleAnswer: true}}},
		{"{freshness: cached}", 0, []rule{{Path: "Device.", Cached: true}}},
		{
			"{stale: answer, freshness_of: [{path: Device.WiFi., freshness: live}, {path: Device.Hosts., freshness: 1h}, " +
				"{path: Device.IP., freshness: 1h, stale: error}, {path: Device., freshness: cached}]}",
			5 * time.Minute,
			[]rule{
				{Path: "Device.WiFi."},
				{Path: "Device.Hosts.", MaxAge: time.Hour, StaleAnswer: true},
				{Path: "Device.IP.", MaxAge: time.Hour},
				{Path: "Device.", Cached: true, StaleAnswer: true},
			},
		},
	} {
		cfg, err := config.Parse("f.yaml", []byte("translate: "+tc.yaml), nil)
		if err != nil {
			t.Errorf("%s: got %v, want nil", tc.yaml, err)
			continue
		}
		if got := cfg.Translate.Freshness.MaxAge(); got != tc.age {
			t.Errorf("%s: got %v, want %v", tc.yaml, got, tc.age)
		}
		if got := cfg.Translate.FreshnessRules(); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %+v, want %+v", tc.yaml, got, tc.want)
		}
	}
}

func TestFreshnessProblems(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ yaml, want string }{
		{"{freshness: soon}", "translate.freshness: \"soon\" is no freshness, write live, cached or for example 30s"},
		{"{freshness: -3s}", "translate.freshness: \"-3s\" is no freshness"},
		{"{stale: maybe}", "translate.stale: "},
		{"{freshness_of: [{path: Device.WiFi.SSID.1.}]}", "freshness of Device.WiFi.SSID.1.: an instance"},
		{"{freshness_of: [{}]}", "translate.freshness_of[0].path: "},
		{"{freshness_of: [{path: Device., freshness: live, stale: answer}]}", "freshness_of[0].stale: what is live"},
		{"{freshness_of: [{path: Device., stale: x}]}", "freshness_of[0].stale: "},
		{
			"{freshness_of: [{path: 'Device.Hosts.Host.*.'}, {path: 'Device.Hosts.Host.{i}.'}]}",
			"freshness_of[1].path: Device.Hosts.Host.{i}. has a freshness already",
		},
		{"{freshness_of: [" + strings.Repeat("{path: Device.},", 64) + "]}", "64 entries, 63 at most"},
	} {
		_, err := config.Parse("f.yaml", []byte("translate: "+tc.yaml), nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", tc.yaml, err, tc.want)
		}
	}
}

func TestFreshnessText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"live", "cached", "30s", "5m"} {
		var f config.Freshness
		if err := f.UnmarshalText([]byte(text)); err != nil || f.String() != text {
			t.Errorf("%s: got %v, %v, want the same", text, f, err)
		}
	}
}
