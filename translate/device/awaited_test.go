// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"testing"

	"github.com/uspgate/uspgate/cwmp"
)

// Somebody waits for a CPE while an RPC is in its queue.
func TestAwaited(t *testing.T) {
	bubble(t, keep, func(env bed) {
		t, f := env.T, env.fleet

		d := known(t, f)
		if f.Awaited(boxID) || f.Awaited(cwmp.DeviceID{}) {
			t.Error("got a CPE awaited for which nobody waits")
		}
		c := call(t.Context(), d, getA)
		other := boxID
		other.SerialNumber, other.Manufacturer = "2", ""
		if !f.Awaited(cwmp.DeviceID{OUI: "00256d", ProductClass: "Box", SerialNumber: "1"}) || f.Awaited(other) {
			t.Error("got no CPE awaited, or another, want the box")
		}
		v := open(t, f, inform("6 CONNECTION REQUEST"))
		v.next(nil, getA)
		v.end(gotA)
		want(t, c, gotA, nil)
		if f.Awaited(boxID) {
			t.Error("got a CPE awaited that has answered")
		}
	})
}
