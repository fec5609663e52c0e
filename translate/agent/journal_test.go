// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/uspgate/uspgate/translate/device"
)

// staleJournal has every request already, as a previous process left it.
type staleJournal struct {
	device.Journal
	state device.State
	err   error
}

func (j staleJournal) Begin(k device.Key) (device.Entry, error) {
	if j.err != nil {
		return device.Entry{}, j.err
	}
	e, err := j.Journal.Begin(k)
	e.State = j.state
	return e, err
}

// What a previous process left behind is not done again, whether its RPC was on
// the wire or had not left: the Controller is told as much.
func TestJournalOfAPreviousProcess(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		journal staleJournal
		code    uint32 // 0 is a response
		calls   int
	}{
		{"on the wire", staleJournal{state: device.StateOnWire}, 7800, 0},
		{"queued", staleJournal{state: device.StateQueued}, 7003, 0},
		{"busy", staleJournal{err: device.ErrBusy}, 7005, 0},
		{"broken", staleJournal{err: errors.New("disk full")}, 7003, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "tr181", "freshness=5m")
				r.stop()
				c.journal.Journal = device.NewMemoryJournal(device.MemoryOptions{})
				r.opts.Journal = c.journal
				r.start()
				defer r.stop()
				r.inform(events("1_BOOT"))
				synctest.Wait()
				before := r.cpe.calls
				r.send("self::ctl", "", split("Set whole Device.WiFi.SSID.1. SSID!=x"))
				synctest.Wait()
				if len(r.sent) != 1 {
					t.Fatalf("got %d answers, want 1", len(r.sent))
				}
				if code := r.sent[0].GetBody().GetError().GetErrCode(); code != c.code {
					t.Errorf("got Error %d, want %d", code, c.code)
				}
				if calls := r.cpe.calls - before; calls != c.calls {
					t.Errorf("got %d RPCs, want %d", calls, c.calls)
				}
			})
		})
	}
}
