// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/cwmp"
)

// A CPE that comes often is not read each time for what it does not report, and one that
// has come into memory for it not at all where nobody has subscribed.
func TestComparedNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "freshness=1h")
		defer r.stop()
		r.inform(events("1_BOOT"))
		r.subscribe("ID!=u NotifType!=ValueChange ReferenceList!=Device.DeviceInfo.UpTime")
		for want, after := range []time.Duration{0, time.Second, 31 * time.Second} {
			<-time.After(after)
			before := r.cpe.calls
			r.inform(events("2_PERIODIC"))
			synctest.Wait()
			if got := r.cpe.calls - before; got != []int{1, 0, 1}[want] {
				t.Errorf("Inform %d: got %d RPCs, want %d", want, got, []int{1, 0, 1}[want])
			}
		}
	})
}

// However much Subscriptions are about, what is watched and compared is bounded.
func TestWatchedIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181", "freshness=1h")
		defer r.stop()
		for i := range 400 {
			r.cpe.set(fmt.Sprintf("Device.DeviceInfo.X_A_%d", i), "1")
			r.cpe.set(fmt.Sprintf("Device.WiFi.Radio.1.X_B_%d", i), "1")
		}
		r.inform(events("1_BOOT"))
		synctest.Wait()
		asked, read := 0, 0
		r.cpe.before = func(req cwmp.Request) {
			switch m := req.(type) {
			case *cwmp.SetParameterAttributes:
				asked += len(m.Params)
			case *cwmp.GetParameterValues:
				read += len(m.Names)
			}
		}
		r.subscribe("ID!=all NotifType!=ValueChange ReferenceList!=Device.DeviceInfo.,Device.WiFi.")
		synctest.Wait()
		if asked != 128 || read != 128 {
			t.Errorf("got %d names asked for and %d read, want 128 of each", asked, read)
		}
		read = 0
		r.inform(events("2_PERIODIC"))
		synctest.Wait()
		if read == 0 || read > 10 {
			t.Errorf("got %d names compared, want a few objects", read)
		}
		r.cpe.set("Device.WiFi.Radio.1.X_B_399", "2")
		<-time.After(time.Minute)
		r.inform(events("2_PERIODIC"))
		synctest.Wait()
		n := r.lastSent().GetBody().GetRequest().GetNotify().GetValueChange()
		if !strings.HasSuffix(n.GetParamPath(), ".X_B_399") || n.GetParamValue() != "2" {
			t.Errorf("got %v, want the change", n)
		}
	})
}
