// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// ssid is a parameter of the simulated CPE that may be written.
const ssid = "Device.WiFi.SSID.1.SSID"

// box is a simulated CPE with what the gateway has sent to it.
type box struct {
	*cpe.CPE

	agent usp.EndpointID

	mu    sync.Mutex
	heard bytes.Buffer
}

// box runs a CPE that informs of nothing but events, and waits until its first
// session is over.
func (w *world) box(change func(*cpe.Options)) *box {
	w.t.Helper()
	model, err := cpe.LoadBuiltin("tr181-wifi")
	if err != nil {
		w.t.Fatal(err)
	}
	b := &box{}
	o := cpe.Options{
		ACS: "http://" + w.CWMP, Model: model, Serial: "1", PeriodicInterval: -1, Log: harness.Log(w.t),
		RetryWait:  func(uint32) time.Duration { return 300 * time.Millisecond },
		RebootTime: 200 * time.Millisecond, Dial: b.dial,
	}
	if change != nil {
		change(&o)
	}
	if b.CPE, err = cpe.New(o); err != nil {
		w.t.Fatal(err)
	}
	b.agent = agent.EndpointIDFor(b.Identity())
	w.background("cpe", b.Run)
	select {
	case s := <-b.Sessions():
		if s.Err != nil {
			w.t.Fatalf("first session: %v", s.Err)
		}
	case <-time.After(harness.Timeout):
		w.t.Fatal("the CPE had no session")
	}
	return b
}

// dial keeps all that comes from the ACS.
func (b *box) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	return &tapped{conn, b}, err
}

type tapped struct {
	net.Conn

	b *box
}

// Read implements net.Conn.
func (c *tapped) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	c.b.heard.Write(p[:n])
	return n, err
}

// count is how often the ACS has sent a text.
func (b *box) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Count(b.heard.Bytes(), []byte(text))
}

// simulated runs a Controller with the carrier of the project, which comes back
// soon.
func (w *world) simulated(id usp.EndpointID) *controller.Controller {
	w.t.Helper()
	tr, err := mqtt.NewClient(mqtt.ClientOptions{
		URL: "mqtt://" + w.mqttNorth, Endpoint: id, Role: usp.RoleController,
		Retry: mtp.BackoffOptions{Interval: 50 * time.Millisecond, Max: 100 * time.Millisecond},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := controller.New(controller.Options{Endpoint: id, Transport: tr, Log: harness.Log(w.t)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.background(id, c.Run)
	return c
}

// The Virtual Agent of a CPE outlives a SIGKILL with all that was promised: what
// is known of its values, its Subscriptions, and an operation that it has accepted.
func TestDeviceAfterKill(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "")
	w.Start()
	b := w.box(nil)
	c := w.simulated("self::c")
	ctx, cancel := context.WithTimeout(t.Context(), 2*harness.Timeout)
	defer cancel()
	const timer = "Device.ScheduleTimer()"
	for _, s := range []controller.Subscription{
		{ID: "value", Type: "ValueChange", References: []string{ssid}, Persistent: true},
		{ID: "done", Type: "OperationComplete", References: []string{timer}, Persistent: true},
	} {
		if _, err := c.Subscribe(ctx, b.agent, s); err != nil {
			t.Fatal(err)
		}
	}
	want := value(ctx, t, c, b.agent)
	resp, err := c.Operate(ctx, b.agent, timer, "in 3 s", map[string]string{"DelaySeconds": "3"})
	if err != nil || resp.GetOperationResults()[0].GetReqObjPath() == "" {
		t.Fatalf("Operate: got %v, %v, want it accepted", resp, err)
	}
	b.Off()
	w.Kill()
	w.Start()

	soon, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if got := value(soon, t, c, b.agent); got != want {
		t.Errorf("%s with the CPE off: got %q, want %q", ssid, got, want)
	}
	if n := next(soon, t, c).GetOperComplete(); n.GetCommandKey() != "in 3 s" || n.GetReqOutputArgs() == nil {
		t.Errorf("got %v, want the OperationComplete of the timer", n)
	}
	b.On()
	for begun := false; !begun; {
		select {
		case s := <-b.Sessions():
			begun = s.Err == nil
		case <-ctx.Done():
			t.Fatal("the CPE had no session after it was switched on")
		}
	}
	if err := b.SetValue(ssid, "changed by its user"); err != nil {
		t.Fatal(err)
	}
	if n := next(ctx, t, c).GetValueChange(); n.GetParamPath() != ssid || n.GetParamValue() != "changed by its user" {
		t.Errorf("got %v, want the ValueChange", n)
	}
}

// value is that of ssid.
func value(ctx context.Context, t *testing.T, c *controller.Controller, id usp.EndpointID) string {
	t.Helper()
	resp, err := c.Get(ctx, id, 0, ssid)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return controller.Params(resp)[ssid]
}

// next is the next notification.
func next(ctx context.Context, t *testing.T, c *controller.Controller) controller.Notify {
	t.Helper()
	select {
	case n := <-c.Notifies():
		return n
	case <-ctx.Done():
		t.Error("no notification came")
		return controller.Notify{}
	}
}

// A request that writes is answered though the gateway is killed meanwhile, and
// done once: not twice, and not at all if the answer is an error. 7800 says that
// nobody knows.
func TestWritesThroughKills(t *testing.T) {
	t.Parallel()
	writesThroughKills(t, 10)
}

func writesThroughKills(t *testing.T, writes int) {
	t.Helper()
	w := newWorld(t, "", "translate: {deadline: 10s}\n")
	w.Start()
	b := w.box(func(o *cpe.Options) { o.Delay = 100 * time.Millisecond })
	a := &asker{w: w, self: "self::writer", to: b.agent}
	answers := make(map[string]usp.Code)
	for i := range writes {
		name := fmt.Sprintf("written-%d.", i)
		killed := make(chan struct{})
		go func() { // ends with the kill, which is waited for
			defer close(killed)
			<-time.After(time.Duration(w.r.Int64N(int64(800 * time.Millisecond))))
			w.Kill()
		}()
		answers[name] = a.set(name, killed)
	}
	for name, code := range answers {
		sent := b.count(">" + name + "<")
		switch {
		case sent > 1:
			t.Errorf("%s: answered %d, sent to the CPE %d times", name, code, sent)
		case code == 0 && sent == 0:
			t.Errorf("%s: answered as done, and never sent to the CPE", name)
		case code != 0 && code != 7800 && sent > 0:
			t.Errorf("%s: answered with error %d, and sent to the CPE", name, code)
		}
	}
	t.Logf("answers: %v; SetParameterValues: %d", answers, b.count("SetParameterValues>"))
}
