// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
)

// drains is how long the end after SIGTERM may take: Links wait for the last
// acknowledgements for 5 s, CWMP sessions come to their end.
const drains = 15 * time.Second

// SIGTERM under load: a CWMP session in progress comes to its end, what is
// acknowledged is kept, and the process ends by itself, with 0.
func TestTerminate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "routing: {queue_limit: 100000, queue_bytes: 1GiB}\n")
	w.Start()
	w.populate()
	model, err := cpe.LoadBuiltin("tr181-wifi")
	if err != nil {
		t.Fatal(err)
	}
	begun := make(chan struct{}, 8)
	device, err := cpe.New(cpe.Options{
		ACS: "http://" + w.CWMP, Model: model, Serial: "1", Delay: 300 * time.Millisecond,
		RetryWait: func(uint32) time.Duration { return time.Hour },
		OnInform:  func(*cwmp.Inform) { begun <- struct{}{} }, Log: harness.Log(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.background("cpe", device.Run)
	select {
	case <-begun:
	case <-time.After(harness.Timeout):
		t.Fatal("the CPE had no session")
	}
	<-time.After(500 * time.Millisecond)
	select {
	case s := <-device.Sessions():
		t.Fatalf("the session is over already: %+v", s)
	default:
	}
	code, took := w.Stop(drains)
	w.l.killed()
	t.Logf("exit code %d after %v", code, took)
	if code != 0 {
		t.Errorf("got exit code %d after %v, want 0", code, took)
	}
	select {
	case s := <-device.Sessions():
		if s.Err != nil {
			t.Errorf("the CPE's session: got %v, want an end in order", s.Err)
		}
	case <-time.After(harness.Timeout):
		t.Error("the CPE's session has no end")
	}
	w.Start()
	w.drain(20 * time.Second)
	w.verify(processed)
}
