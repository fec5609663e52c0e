// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// mortalJournal is the journal of a process that is killed just before it has answered.
type mortalJournal struct {
	device.Journal
	dying atomic.Bool
	die   func()
}

func (j *mortalJournal) Answer(k device.Key, reply []byte) error {
	if j.dying.CompareAndSwap(true, false) {
		j.die()
		return errors.New("killed")
	}
	return j.Journal.Answer(k, reply)
}

// killRig is a rig with a Download that is killed somewhere.
type killRig struct {
	*rig
	journal *mortalJournal
	asked   atomic.Int32   // Downloads that have reached the CPE
	key     atomic.Value   // CommandKey of the last
	last    func()         // what the next Download at the CPE does
	seen    func() (n int) // OperationComplete so far
}

func newKillRig(t *testing.T) *killRig {
	t.Helper()
	r := newRig(t, "tr181", "freshness=5m")
	r.stop()
	k := &killRig{rig: r, journal: &mortalJournal{Journal: r.opts.Journal}}
	r.opts.Journal = k.journal
	r.cpe.after = func(req cwmp.Request) {
		d, ok := req.(*cwmp.Download)
		if !ok {
			return
		}
		k.asked.Add(1)
		k.key.Store(d.CommandKey)
		if k.last != nil {
			k.last()
			k.last = nil
		}
	}
	k.seen = func() (n int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, m := range r.sent {
			if m.GetBody().GetRequest().GetNotify().GetOperComplete() != nil {
				n++
			}
		}
		return n
	}
	r.start()
	r.inform(events("2_PERIODIC"))
	k.do("Set whole Device.LocalAgent.Controller.1. OnBoardingComplete=true")
	k.do("Add whole Device.LocalAgent.Subscription. ID!=done NotifType!=OperationComplete ReferenceList!=Device. " +
		"Enable!=true Persistent!=true")
	return k
}

func (k *killRig) do(line string) {
	synctest.Wait()
	k.send("self::ctl", "", split(line))
	synctest.Wait()
}

func (k *killRig) download() {
	k.do("Operate Device.DeviceInfo.FirmwareImage.1.Download() key=fw URL=http://files.example.net/fw.bin " +
		"AutoActivate=true")
}

// rise is the next process, and the CPE that comes to it.
func (k *killRig) rise() {
	k.restart("killed")
	k.cpe.turn(false)
	<-time.After(2 * time.Second)
	k.inform(events("2_PERIODIC"))
	synctest.Wait()
}

// reported is the session with the TransferComplete; the CPE has an answer where kept.
func (k *killRig) reported() {
	key, _ := k.key.Load().(string)
	k.report([]string{"7_TRANSFER_COMPLETE,M_Download:" + key, "key=" + key})
	synctest.Wait()
}

func (k *killRig) errors() (codes []uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range k.sent {
		if e, ok := m.GetBody().GetMsgBody().(*uspmsg.Body_Error); ok {
			codes = append(codes, e.Error.GetErrCode())
		}
	}
	return codes
}

// Wherever the gateway is killed in the course of a Download, the next process goes on
// with it: the CPE is asked once, or once more where it does not know of it, and its
// Controller is told of the end. What was answered with an error is never sent.
func TestKilledDuringATransfer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		run   func(k *killRig)
		asked int32
		told  int
		errs  int
	}{
		"before the answer": {func(k *killRig) {
			k.journal.die = func() { k.shelf.kill(); k.cpe.turn(true) }
			k.journal.dying.Store(true)
			k.download()
			k.rise()
		}, 0, 0, 1},
		"before it leaves": {func(k *killRig) {
			k.cpe.turn(true)
			k.download()
			k.rise()
			k.reported()
		}, 1, 1, 0},
		"on the wire, taken": {func(k *killRig) {
			k.last = func() {
				k.shelf.kill()
				key, _ := k.key.Load().(string)
				k.cpe.transfers.listed = true
				k.cpe.transfers.queued = []cwmp.QueuedTransfer{{CommandKey: key, State: cwmp.TransferNotStarted}}
			}
			k.download()
			k.rise()
			k.reported()
		}, 1, 1, 0},
		"on the wire, not taken": {func(k *killRig) {
			k.last = func() { k.shelf.kill(); k.cpe.transfers.listed = true }
			k.download()
			k.rise()
			k.reported()
		}, 2, 1, 0},
		"on the wire, the CPE does not say": {func(k *killRig) {
			k.last = func() { k.shelf.kill() }
			k.download()
			k.rise()
			k.reported()
		}, 1, 1, 0},
		"accepted": {func(k *killRig) {
			k.download()
			k.rise()
			k.reported()
		}, 1, 1, 0},
		"reported, not stored": {func(k *killRig) { // the CPE has no answer and repeats it
			k.download()
			k.shelf.kill()
			k.reported()
			k.rise()
			k.reported()
		}, 1, 2, 0},
		"reported and stored": {func(k *killRig) { // the same, but it was told already
			k.download()
			k.reported()
			k.rise()
			k.reported()
		}, 1, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				k := newKillRig(t)
				defer func() { k.stop() }()
				c.run(k)
				if k.asked.Load() != c.asked || k.seen() != c.told || len(k.errors()) != c.errs {
					t.Fatalf("got %d Downloads, %d OperationComplete and errors %v, want %d, %d and %d",
						k.asked.Load(), k.seen(), k.errors(), c.asked, c.told, c.errs)
				}
				k.do("Get Device.LocalAgent.RequestNumberOfEntries")
				if text := k.takeTranscript(); !strings.Contains(text, "RequestNumberOfEntries = 0") {
					t.Errorf("got %s, want no Request left", text[max(0, len(text)-300):])
				}
			})
		})
	}
}
