// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"testing"
	"time"
)

// An Endpoint that no route names and that was here is still known after a
// SIGKILL: what is sent to it before it is back waits. In MQTT 3.1.1 a sender
// would not even hear that nobody knows it.
func TestKnownAfterKill(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", strangers)
	w.Start()
	w.agent(there, true, habit{there: 2 * time.Second, away: time.Hour}) // once, until it is calm
	w.awaitLink(there)
	<-time.After(time.Second) // that it is known need not be written at once
	w.Kill()
	w.l.killed()
	<-time.After(time.Second) // the Agent does not find the gateway
	w.Start()
	w.controller("self::five", true, 10*time.Millisecond, there)
	w.controller("self::three", false, 10*time.Millisecond, there)
	w.await(inTime, func() error { return w.takes("self::five", 10) })
	w.await(inTime, func() error { return w.takes("self::three", 10) })
	w.drain(20 * time.Second)
	w.verify(processed)
	if _, refused := w.l.progress("self::five"); refused["0x10"] > 0 {
		t.Errorf("got the refusals %v, want none", refused)
	}
}
