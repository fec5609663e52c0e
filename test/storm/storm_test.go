// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package storm_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	cwmpcpe "github.com/uspgate/uspgate/cwmp/cpe"
	"github.com/uspgate/uspgate/internal/bench"
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/test/bench/copies"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// storm is a number of CPE that come within a time, and how many bytes the gateway has
// at most then. The soak wants times, too: how soon all are served, and how soon a Get is
// answered meanwhile by one of them, which has to be woken for it.
type storm struct {
	cpe            int
	within         time.Duration
	resident       int64
	served, answer time.Duration // 0: it takes what the machine takes
}

// An outage is over, and all CPE come within a few seconds: all are served in the end,
// those that were told to come again as well.
func TestOutage(t *testing.T) {
	t.Parallel()
	outage(t, storm{cpe: 2000, within: 6 * time.Second, resident: 600 << 20})
}

// maxStorm is how long a storm may take before it counts as one that does not end.
const maxStorm = 6 * time.Minute

// getEvery is the pause between two Gets: a CPE takes 60 Connection Requests a minute.
const getEvery = 1500 * time.Millisecond

func outage(t *testing.T, s storm) {
	t.Helper()
	program := program.Path(t)
	data, addr := t.TempDir(), harness.FreeAddr(t)
	in, err := copies.Make(t.Context(), data, s.cpe)
	if err != nil {
		t.Fatal(err)
	}
	p := harness.NewProcess(t, program, data, fmt.Sprintf(
		"mtp: [{name: ws, type: websocket, listen: %q, path: /usp}]\ntranslate: {freshness: 0s, linger: 0s}\n", addr))
	// What the gateway may have is for whoever runs it to say, as for every program in Go.
	p.Environ = append(p.Environ, fmt.Sprintf("GOMEMLIMIT=%d", s.resident*9/10))
	p.Start()
	id, failed := box(t, "http://"+p.CWMP)
	c := noc(t, "ws://"+addr+"/usp")
	get(t, c, id)
	p.Kill()
	p.Start()

	ctx, cancel := context.WithTimeout(t.Context(), maxStorm)
	defer cancel()
	over := make(chan bench.StormResult, 1)
	go func() {
		l := &bench.Sessions{Address: p.CWMP, Inform: in}
		r, err := l.Storm(ctx, bench.Storm{Count: s.cpe, Within: s.within, Change: 1})
		if err != nil {
			t.Errorf("the storm: %v", err)
		}
		over <- r
	}()
	failed.Store(0)
	slowest, resident, gets := time.Duration(0), int64(0), 0
	before := cpuOf(t, p.Pid())
	tick := time.NewTicker(getEvery)
	defer tick.Stop()
	for {
		select {
		case r := <-over:
			t.Logf("%+v; %v of CPU; %d Gets, the slowest in %v; %d MB at most",
				r, cpuOf(t, p.Pid())-before, gets, slowest, resident>>20)
			if r.Served != s.cpe || r.Faulted > 0 || failed.Load() > 0 {
				t.Errorf("got %+v, and %d sessions failed of the CPE that is woken, want all %d served and none failed",
					r, failed.Load(), s.cpe)
			}
			if s.served > 0 && (r.Last > s.served || slowest > s.answer) {
				t.Errorf("got all served within %v and a Get answered after %v, want %v and %v",
					r.Last, slowest, s.served, s.answer)
			}
			if resident > s.resident {
				t.Errorf("got %d MB resident, want at most %d", resident>>20, s.resident>>20)
			}
			return
		case <-tick.C:
			slowest = max(slowest, get(t, c, id))
			resident = max(resident, residentOf(t, p.Pid()))
			gets++
		}
	}
}

// box is a CPE that can be woken. It counts the sessions that failed.
func box(t *testing.T, acs string) (usp.EndpointID, *atomic.Int32) {
	t.Helper()
	model, err := cpe.LoadBuiltin("tr098-dsl")
	if err != nil {
		t.Fatal(err)
	}
	failed, ended := &atomic.Int32{}, make(chan struct{}, 1)
	b, err := cpe.New(cpe.Options{
		ACS: acs, Model: model, Serial: "awaited", PeriodicInterval: -1,
		RetryWait: func(uint32) time.Duration { return time.Second },
		OnSession: func(s cwmpcpe.Session) {
			if s.Err != nil {
				failed.Add(1)
			}
			select {
			case ended <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	harness.Background(t, "CPE", b.Run)
	select {
	case <-ended:
	case <-time.After(harness.Timeout):
		t.Fatal("the CPE has had no session")
	}
	return agent.EndpointIDFor(b.Identity()), failed
}

// noc is a Controller.
func noc(t *testing.T, url string) *controller.Controller {
	t.Helper()
	tr, err := ws.NewClient(ws.ClientOptions{
		URL: url, Endpoint: "self::noc", Role: usp.RoleAgent, Shared: true,
		Retry: mtp.BackoffOptions{Interval: 50 * time.Millisecond, Max: 100 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := controller.New(controller.Options{Endpoint: "self::noc", Transport: tr, Log: harness.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	harness.Background(t, "Controller", c.Run)
	return c
}

// get reads a value of the CPE, and returns how long that took.
func get(t *testing.T, c *controller.Controller, id usp.EndpointID) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	began := time.Now()
	if _, err := c.Get(ctx, id, 0, "Device.DeviceInfo.UpTime"); err != nil {
		t.Errorf("Get: got %v, want the CPE to answer", err)
	}
	return time.Since(began)
}

// cpuOf is the CPU time of a process.
func cpuOf(t *testing.T, pid int) time.Duration {
	t.Helper()
	d, err := bench.ProcessCPU(pid)
	if err != nil {
		t.Skip(err)
	}
	return d
}

// residentOf is how many bytes of memory a process has.
func residentOf(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Skip("no /proc here")
	}
	var total, pages int64
	if _, err := fmt.Sscan(string(text), &total, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
