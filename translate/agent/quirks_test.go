// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// The quirks of RPCs that no script can show; see testdata/*.txt for the others.

// twisted is a rig whose CPE answers as twist says, and has had its first session.
func twisted(t *testing.T, twist func(cwmp.Request, cwmp.Response, error) (cwmp.Response, error)) *rig {
	t.Helper()
	r := newRig(t, "tr181", "freshness=1h")
	t.Cleanup(r.stop)
	r.cpe.twist = twist
	r.answers = make(chan *uspmsg.Msg, 16)
	r.showRPCs(false)
	r.inform(events("1_BOOT"))
	return r
}

// TestQuirk50NextLevel: a CPE that has to be walked, and that takes NextLevel for
// something else, shows the same tree.
func TestQuirk50NextLevel(t *testing.T) {
	t.Parallel()
	want := len(everything(t, twisted(t, nil)))
	for name, answer := range map[string]func(all, below []cwmp.ParameterInfo, self string) []cwmp.ParameterInfo{
		"the whole tree": func(all, _ []cwmp.ParameterInfo, _ string) []cwmp.ParameterInfo { return all },
		"the object too": func(_, below []cwmp.ParameterInfo, self string) []cwmp.ParameterInfo {
			return append([]cwmp.ParameterInfo{{Name: self}}, below...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r *rig
			r = twisted(t, func(req cwmp.Request, resp cwmp.Response, err error) (cwmp.Response, error) {
				ask, ok := req.(*cwmp.GetParameterNames)
				got, _ := resp.(*cwmp.GetParameterNamesResponse)
				switch {
				case !ok || err != nil:
					return resp, err
				case !ask.NextLevel:
					return nil, &cwmp.Fault{Code: cwmp.FaultResourcesExceeded, Text: "too much"}
				}
				all, _ := r.cpe.names(&cwmp.GetParameterNames{Path: ask.Path})
				below := all.(*cwmp.GetParameterNamesResponse).Params
				return &cwmp.GetParameterNamesResponse{Params: answer(below, got.Params, ask.Path)}, nil
			})
			if got := len(everything(t, r)); got != want {
				t.Errorf("got %d parameters, want %d as of any other", got, want)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		t.Parallel()
		r := twisted(t, func(req cwmp.Request, resp cwmp.Response, err error) (cwmp.Response, error) {
			if ask, ok := req.(*cwmp.GetParameterNames); ok && ask.NextLevel {
				return &cwmp.GetParameterNamesResponse{}, nil
			}
			return resp, err
		})
		if got := len(everything(t, r)); got != want {
			t.Errorf("got %d parameters, want %d as of any other", got, want)
		}
	})
}

// values are the parameters of a GetResp by their paths.
func values(m *uspmsg.Msg) map[string]string {
	out := map[string]string{}
	for _, asked := range m.GetBody().GetResponse().GetGetResp().GetReqPathResults() {
		for _, object := range asked.GetResolvedPathResults() {
			for name, v := range object.GetResultParams() {
				out[object.GetResolvedPath()+name] = v
			}
		}
	}
	return out
}

// everything is what a Controller reads.
func everything(t *testing.T, r *rig) map[string]string {
	t.Helper()
	return values(r.words(t, "Get", "Device.WiFi.", "Device.NAT.", "Device.DeviceInfo."))
}

// TestQuirk58OtherNames: what a CPE has after a boot is what it shows.
func TestQuirk58OtherNames(t *testing.T) {
	t.Parallel()
	r := twisted(t, nil)
	const old, later = "Device.WiFi.SSID.2.SSID", "Device.WiFi.SSID.3.SSID"
	if got := everything(t, r); got[old] == "" || got[later] != "" {
		t.Fatalf("got %v, want %s alone", slices.Sorted(maps.Keys(got)), old)
	}
	r.cpe.mu.Lock()
	for name, c := range maps.Clone(r.cpe.cells) {
		if rest, ok := strings.CutPrefix(name, "Device.WiFi.SSID.2."); ok {
			delete(r.cpe.cells, name)
			r.cpe.cells["Device.WiFi.SSID.3."+rest] = c
		}
	}
	r.cpe.mu.Unlock()
	r.inform(events("1_BOOT"))
	deadline := time.Now().Add(10 * time.Second)
	for {
		got := everything(t, r)
		if got[old] == "" && got[later] != "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %v, want %s alone", slices.Sorted(maps.Keys(got)), later)
		}
	}
}
