// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// newBulkRig is a rig with a Profile whose Push! is subscribed to, with NotifRetry.
func newBulkRig(t *testing.T, options ...string) *rig {
	t.Helper()
	r := newRig(t, "tr181", options...)
	t.Cleanup(r.stop)
	for _, line := range []string{
		"Add whole Device.BulkData.Profile. Protocol!=USPEventNotif EncodingType!=JSON Enable!=true ReportingInterval!=60",
		"Add whole Device.BulkData.Profile.1.Parameter. Reference!=Device.WiFi.SSID.",
		"Add whole Device.LocalAgent.Subscription. ID!=push NotifType!=Event ReferenceList!=Device.BulkData. " +
			"Enable!=true NotifRetry!=true Persistent!=true NotifExpiration!=0",
	} {
		r.send("self::ctl", "", strings.Fields(line))
		synctest.Wait()
	}
	return r
}

// What becomes of reports is counted.
func TestBulkDataIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newBulkRig(t, "maxreport=400")
		reg := prometheus.NewRegistry()
		r.opts.Metrics = reg
		r.restart()
		wait := func() {
			<-time.After(time.Minute)
			synctest.Wait()
		}
		about := func(ref string) {
			r.send("self::ctl", "", strings.Fields("Set whole Device.BulkData.Profile.1.Parameter.1. Reference!="+ref))
			synctest.Wait()
		}
		wait()
		about("Device.")
		wait()
		about("Device.WiFi.")
		r.cpe.turn(true)
		wait()
		<-time.After(30 * time.Second) // as long as a report may take
		synctest.Wait()
		r.cpe.turn(false)
		want := `
# HELP uspgate_translate_bulk_reports_total Bulk data reports: sent, too large, or not made since the CPE was not read.
# TYPE uspgate_translate_bulk_reports_total counter
uspgate_translate_bulk_reports_total{result="ok"} 1
uspgate_translate_bulk_reports_total{result="too_large"} 1
uspgate_translate_bulk_reports_total{result="unread"} 1
`
		err := testutil.GatherAndCompare(reg, strings.NewReader(want), "uspgate_translate_bulk_reports_total")
		if err != nil {
			t.Error(err)
		}
	})
}

// Reports that nobody acknowledges do not fill the memory: past PendingBytes each is sent
// once, and those that wait already are repeated.
func TestBulkDataThatNobodyTakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newBulkRig(t, "pendingbytes=2000")
		const hours = 3
		<-time.After(hours * time.Hour)
		synctest.Wait()
		tries := make(map[string]int)
		for _, m := range r.sent {
			if e := m.GetBody().GetRequest().GetNotify().GetEvent(); e.GetEventName() == "Push!" {
				tries[m.GetHeader().GetMsgId()]++
			}
		}
		repeated := 0
		for _, n := range tries {
			if n > 1 {
				repeated++
			}
		}
		if len(tries) < hours*60-1 || repeated == 0 || repeated > 10 {
			t.Errorf("got %d reports, %d of them repeated, want %d and some", len(tries), repeated, hours*60)
		}
	})
}

// An Agent sleeps between its reports, and is awake for each.
func TestBulkDataWakesTheAgent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newBulkRig(t)
		r.send("self::ctl", "", strings.Fields("Set whole Device.LocalAgent.Subscription.1. NotifRetry!=false"))
		synctest.Wait()
		for range 3 {
			<-time.After(30 * time.Second)
			r.host.PutToSleep()
			synctest.Wait()
			r.awake(0)
			before := r.sentCount()
			<-time.After(30 * time.Second)
			synctest.Wait()
			if got := r.sentCount() - before; got != 1 {
				t.Errorf("got %d reports in an interval, want 1", got)
			}
		}
	})
}
