// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/internal/cluster"
)

// The owner of a device hears all that the node of the CPE knows of a session.
func TestInfoCrosses(t *testing.T) {
	t.Parallel()
	a, b := netip.MustParseAddrPort("192.0.2.7:4000"), netip.MustParseAddrPort("[2001:db8::1]:4001")
	in := &cwmp.Inform{DeviceID: cwmp.DeviceID{OUI: "00D09E", SerialNumber: "1"}, MaxEnvelopes: 1}
	for name, want := range map[string]acs.Info{
		"little": {Namespace: "urn:dslforum-org:cwmp-1-0"},
		"all": {
			Remote: b, Username: "00D09E-1", Method: "certificate", Certificate: "ab12",
			Namespace: "urn:dslforum-org:cwmp-1-2", SessionTimeout: time.Minute, InformLoop: true,
			Conflict: &acs.Conflict{
				Boxes: [2]acs.Box{{Remote: a, Username: "u", Certificate: "ab12", MAC: "X=00:00:5e:00:53:01"}, {Remote: b}},
				Since: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
			},
		},
	} {
		got, err := cluster.Crossed(in, want)
		if err != nil {
			t.Errorf("%s: got %v, want nil", name, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	if n := reflect.TypeFor[acs.Info]().NumField(); n != 8 {
		t.Errorf("got %d fields of acs.Info, want 8: this test has them all", n)
	}
}

func TestCauseCrosses(t *testing.T) {
	t.Parallel()
	for _, want := range []error{
		nil, acs.ErrTimeout, acs.ErrVanished, acs.ErrReplaced, acs.ErrShutdown, acs.ErrProtocol, acs.ErrLost, acs.ErrEndless,
	} {
		got := want
		if want != nil {
			got = fmt.Errorf("wrapped: %w", want)
		}
		if got = cluster.CauseAcross(got); !errors.Is(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if got := cluster.CauseAcross(errors.New("disk full")); !errors.Is(got, cluster.ErrPeerFailed) {
		t.Errorf("of its own: got %v, want %v", got, cluster.ErrPeerFailed)
	}
}
