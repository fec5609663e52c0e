// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
)

// Relay between connected Endpoints does not touch the engine: no file changes,
// and neither does what it counts.
func TestLiveRelayDoesNotTouchTheEngine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "routing: {spill_after: 1m}\n") // however slow this machine is
	const (
		five  usp.EndpointID = "os::00D09E-five"
		three usp.EndpointID = "os::00D09E-three"
		coap  usp.EndpointID = "os::00D09E-coap%2D1"
	)
	w.Start()
	w.hub(habit{})
	w.agent(five, true, habit{})
	w.agent(three, false, habit{})
	w.coapEndpoint(coap, w.coapSouth, "", time.Millisecond, habit{}, hub)
	for _, id := range []usp.EndpointID{hub, five, three, coap} {
		w.awaitLink(id)
	}
	w.controller("self::a", true, time.Millisecond, five, three, coap)
	w.controller("self::b", false, time.Millisecond, five, three, coap)
	w.coapEndpoint("self::coap-1", w.coapNorth, "", time.Millisecond, habit{}, five, three)
	for _, id := range []usp.EndpointID{"self::a", "self::b", "self::coap-1"} {
		w.await(inTime, func() error { return w.takes(id, 10) })
	}
	// What waited at first has been delivered, and that they are here is written.
	harness.Eventually(t, w.nothingWaits)
	files, counts := w.rest(), w.engineCounts()
	if len(files) < 2 {
		t.Errorf("got the files %v: where is the engine?", files)
	}
	<-time.After(2 * time.Second)
	w.drain(10 * time.Second)
	w.verify(0)
	now := w.files()
	for name := range now {
		if now[name] != files[name] {
			t.Errorf("%s: got %+v after the relay, want it untouched since %+v", name, now[name], files[name])
		}
	}
	for name, is := range w.engineCounts() {
		if is != counts[name] {
			t.Errorf("%s: got %v after the relay, want %v as before", name, is, counts[name])
		}
	}

	// A Record that has to wait does touch it: this test can fail.
	away := &mqttSender{
		l: w.l, addr: w.mqttNorth, self: "self::c", v5: true, to: w.pairs("self::c", largest, asleep), pace: time.Second,
		stop: make(chan struct{}), r: w.rand(),
	}
	w.background(away.self, away.run)
	w.await(inTime, func() error { return w.takes(away.self, 1) })
	if maps.Equal(w.files(), now) {
		t.Error("no file has changed though a Record waits")
	}
}

// file is what changes when a file is written.
type file struct {
	size    int64
	changed time.Time
}

// files are those in data_dir.
func (w *world) files() map[string]file {
	w.t.Helper()
	out := make(map[string]file)
	err := filepath.WalkDir(w.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			out[path] = file{info.Size(), info.ModTime()}
		}
		return err
	})
	if err != nil {
		w.t.Error(err)
	}
	return out
}

// rest waits until no file has changed for a while, and returns them.
func (w *world) rest() map[string]file {
	w.t.Helper()
	was := w.files()
	harness.Eventually(w.t, func() error {
		<-time.After(300 * time.Millisecond)
		is := w.files()
		if maps.Equal(was, is) {
			return nil
		}
		was = is
		return errors.New("files in data_dir change though nobody sends")
	})
	return was
}

// engineCounts are the metrics of the engine and of the buffer.
func (w *world) engineCounts() map[string]float64 {
	w.t.Helper()
	out := make(map[string]float64)
	for name, v := range w.Metrics() {
		if strings.HasPrefix(name, "uspgate_queue_") || strings.HasPrefix(name, "uspgate_engine_") &&
			!strings.Contains(name, "free") { // of the file system: others use it, too
			out[name] = v
		}
	}
	if len(out) == 0 {
		w.t.Error("there are no metrics of engine and buffer")
	}
	return out
}
