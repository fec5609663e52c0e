// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// inTime is how long a sender may wait until it hears that its Record is not
// taken: it is held for a while, in the hope of room.
const inTime = 10 * time.Second

// A disk without room refuses in time; relay between connected Endpoints goes
// on; nothing acknowledged is lost; and when there is room again so is the
// gateway, without a restart.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		minFree string
		left    int // KiB
	}{
		"below the watermark": {"16MiB", 15 << 10},
		"full to the brim":    {"1KiB", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDisk(t, 128)
			w := diskWorld(t, d, c.minFree)
			d.fill(c.left)
			w.refuses()
			d.free()
			w.takesAgain()
			w.drain(20 * time.Second)
			w.verify(0)
		})
	}
}

// A disk that becomes read-only under the gateway is as one that is full. When
// it is mounted again there is a gap nowhere: what was acknowledged was synced.
func TestDiskBecomesReadOnly(t *testing.T) {
	t.Parallel()
	d := newBlockDisk(t, 128)
	w := diskWorld(t, d, "1MiB")
	w.l.failing()
	d.fail()
	w.refuses()
	w.Kill()
	w.l.killed()
	d.again()
	w.Start()
	w.takesAgain()
	w.drain(20 * time.Second)
	w.verify(time.Hour)
	w.Kill() // it is in the way of umount
}

// diskWorld runs a gateway on a disk, with senders to an Agent that is there and
// to one that is not.
func diskWorld(t *testing.T, d *disk, minFree string) *world {
	t.Helper()
	w := newWorld(t, d.data(), "engine: {min_free: "+minFree+"}\nrouting: {queue_limit: 100000, queue_bytes: 1GiB}\n")
	w.full = true
	d.use(w.Process)
	w.Start()
	w.hub(habit{})
	w.agent(there, true, habit{})
	w.agent(asleep, true, habit{asleep: true})
	w.awaitLink(there)
	w.controller(live, true, 5*time.Millisecond, there)
	w.controller("self::five", true, 5*time.Millisecond, asleep)
	w.controller("self::three", false, 5*time.Millisecond, asleep)
	w.coapEndpoint("self::coap-1", w.coapNorth, "", 5*time.Millisecond, habit{}, asleep)
	for from := range refusals() {
		w.await(inTime, func() error { return w.takes(from, 20) })
	}
	return w
}

// Endpoints of a diskWorld.
const (
	there  usp.EndpointID = "os::00D09E-there"
	asleep usp.EndpointID = "os::00D09E-asleep"
	live   usp.EndpointID = "self::live"
)

// refusals are how those who send to the Agent that is asleep hear that there is
// no room.
func refusals() map[usp.EndpointID]string {
	return map[usp.EndpointID]string{"self::five": "0x97", "self::three": "closed", "self::coap-1": "5.03"}
}

// refuses waits until all that has to wait is refused, and holds relay between
// those who are there and readiness against that.
func (w *world) refuses() {
	w.t.Helper()
	for from, how := range refusals() {
		w.await(inTime, func() error {
			if _, refused := w.l.progress(from); refused[how] == 0 {
				return fmt.Errorf("%s: got the refusals %v, want %s", from, refused, how)
			}
			return nil
		})
	}
	before, _ := w.l.progress(live)
	w.await(inTime, func() error { return w.takes(live, before+100) })
	w.await(inTime, func() error { return w.ready(http.StatusServiceUnavailable, "engine") })
}

// takesAgain waits until everything is taken again.
func (w *world) takesAgain() {
	w.t.Helper()
	w.await(inTime, func() error { return w.ready(http.StatusOK, "") })
	for from := range refusals() {
		before, _ := w.l.progress(from)
		w.await(inTime, func() error { return w.takes(from, before+20) })
	}
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	if w.l.slowest > inTime {
		w.t.Errorf("a refusal took %v, want at most %v", w.l.slowest, inTime)
	}
	w.t.Logf("refusals: %v, the slowest after %v", w.l.refusals, w.l.slowest)
}

// takes reports whether so many Records of a sender have been acknowledged.
func (w *world) takes(from usp.EndpointID, many int) error {
	if acked, refused := w.l.progress(from); acked < many {
		return fmt.Errorf("%s: got %d Records acknowledged and the refusals %v, want %d", from, acked, refused, many)
	}
	return nil
}

// ready reports whether the gateway says so, or why not.
func (w *world) ready(want int, because string) error {
	code, text, err := w.Probe("/readyz")
	if err == nil && (code != want || !strings.Contains(text, because)) {
		err = fmt.Errorf("/readyz: got %d %q, want %d with %q", code, text, want, because)
	}
	return err
}

// await polls until f returns nil. That it does not is an error, and no end:
// what comes after tells more.
func (w *world) await(limit time.Duration, f func() error) {
	w.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.t.Errorf("after %v: %v", limit, err)
			return
		}
		<-time.After(20 * time.Millisecond)
	}
}

// Where the gateway cannot keep anything it does not start, and says why.
func TestReadOnlyDataDir(t *testing.T) {
	t.Parallel()
	d := newDisk(t, 16)
	w := newWorld(t, d.data(), "engine: {min_free: 1MiB}\n")
	d.use(w.Process)
	w.Start()
	w.Kill()
	d.do("mount -o remount,ro %s", d.at)
	w.Launch()
	if !w.Wait(inTime) {
		t.Fatal("the gateway runs on a directory where it cannot write")
	}
	if w.ExitCode() != 1 {
		t.Errorf("got exit code %d, want 1", w.ExitCode())
	}
	lines := strings.Split(strings.TrimSpace(w.Log()), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "data_dir") || !strings.Contains(last, d.data()) {
		t.Errorf("got %q last, want a sentence about data_dir %s", last, d.data())
	}
}
