// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

// crowdVariable makes this program one side of many Links instead of a test.
const crowdVariable = "USPGATE_TEST_CROWD"

// crowd is such a process: a server, or a Fleet of Agents if it has a URL. It
// writes a line when it listens and when all Links are up, a report for every
// line that it reads, and ends with its input.
type crowd struct {
	URL       string
	Links     int
	Rate      float64
	Sources   []netip.Addr
	KeepAlive time.Duration
}

// report is what a crowd says of itself.
type report struct {
	Up, Down    int
	Each, Stack int // bytes per Link
}

// census is a Handler that counts Links and keeps nothing.
type census struct {
	up, down, records atomic.Int64
}

func (c *census) LinkUp(l mtp.Link, _ mtp.Peer) (mtp.Port, error) {
	c.up.Add(1)
	return &citizen{census: c, link: l}, nil
}

type citizen struct {
	census *census
	link   mtp.Link
}

func (*citizen) Bind(usp.Address, mtp.Hint) error { return nil }
func (*citizen) Unbind(usp.Address)               {}
func (*citizen) Presence(usp.Address, bool)       {}
func (*citizen) Settled(mtp.Token, error)         {}
func (p *citizen) Down(error)                     { p.census.down.Add(1) }

func (p *citizen) Accept(_ usp.Record, _ mtp.Hint, t mtp.Token) {
	p.census.records.Add(1)
	p.link.Ack(t, nil)
}

// runCrowd is the process.
func runCrowd(conf string) error {
	var c crowd
	if err := json.Unmarshal([]byte(conf), &c); err != nil {
		return err
	}
	tr, err := c.transport()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if err := tr.Listen(ctx); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, tr.Addr())
	before := used()
	hub, done := &census{}, make(chan error, 1)
	go func() { done <- tr.Run(ctx, hub) }()
	for hub.up.Load() < int64(c.Links) {
		<-time.After(10 * time.Millisecond)
	}
	fmt.Fprintln(os.Stdout, "up")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		each := (used() - before) / c.Links
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		r := report{Up: int(hub.up.Load()), Down: int(hub.down.Load()), Each: each, Stack: int(m.StackInuse) / c.Links}
		if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
			return err
		}
	}
	stop()
	return <-done
}

func (c *crowd) transport() (mtp.Transport, error) {
	if c.URL == "" {
		return ws.NewServer(ws.ServerOptions{
			LinkOptions: ws.LinkOptions{KeepAlive: c.KeepAlive}, Listen: "127.0.0.1:0", Role: usp.RoleAgent,
		})
	}
	var buffers ws.Buffers
	f, err := mtp.NewFleet(mtp.FleetOptions{Rate: c.Rate, Burst: 100, New: func(m mtp.FleetMember) (mtp.Transport, error) {
		return ws.NewClient(ws.ClientOptions{
			LinkOptions: ws.LinkOptions{KeepAlive: c.KeepAlive}, URL: c.URL, Endpoint: m.Address.ID, Peer: "self::c",
			Role: usp.RoleController, SourceAddresses: c.Sources, Hold: m.Hold, Buffers: &buffers,
		})
	}})
	if err != nil {
		return nil, err
	}
	for i := range c.Links {
		f.Represent(fleetAgent(i))
	}
	return f, nil
}

// files returns how many files a process may open, after raising that to n if
// it can be.
func files(t *testing.T, n int) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatalf("Getrlimit: got %v, want nil", err)
	}
	wanted := syscall.Rlimit{Cur: max(limit.Max, uint64(n)), Max: max(limit.Max, uint64(n))}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &wanted); err != nil {
		wanted = syscall.Rlimit{Cur: limit.Max, Max: limit.Max} // only root may have more
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &wanted); err != nil {
			t.Fatalf("Setrlimit: got %v, want nil", err)
		}
	}
	return int(wanted.Cur)
}

// manyLinks has n Links come up between a server and a Fleet of Agents, each a
// process of its own, and stay for a while. Where a process may not open as many
// files, several of them share the Links.
func manyLinks(t *testing.T, n int, rate float64, stay time.Duration) {
	t.Helper()
	const spare = 1000 // files
	pairs := (n-1)/(files(t, n+spare)-spare) + 1
	c := crowd{Links: (n-1)/pairs + 1, KeepAlive: 15 * time.Second}
	var servers, agents []*process
	begin := time.Now()
	for range pairs {
		s := c.start(t)
		fleet := c
		fleet.URL, fleet.Rate = "ws://"+s.line(t)+"/usp", rate/float64(pairs)
		for i := range byte(4) {
			fleet.Sources = append(fleet.Sources, netip.AddrFrom4([4]byte{127, 0, 0, 2 + i}))
		}
		a := fleet.start(t)
		a.line(t)
		servers, agents = append(servers, s), append(agents, a)
	}
	for _, p := range append(servers, agents...) {
		p.line(t) // all are up
	}
	took := time.Since(begin)
	if least := time.Duration(float64(n-200*pairs) / rate * float64(time.Second)); took < least {
		t.Errorf("%d dials: got in %v, want at least %v", n, took, least)
	}
	<-time.After(stay)
	t.Logf("%d Links up in %v (%.0f/s), %d pairs of processes", c.Links*pairs, took.Round(time.Millisecond),
		float64(c.Links*pairs)/took.Seconds(), pairs)
	for i := range pairs {
		s, a := servers[i].report(t), agents[i].report(t)
		t.Logf("%v later: a server has %d Links of %d bytes, %d of them stack; its Agents %d of %d bytes, %d of them stack",
			stay, s.Up-s.Down, s.Each, s.Stack, a.Up-a.Down, a.Each, a.Stack)
		for _, r := range []report{s, a} {
			if r.Up != c.Links || r.Down != 0 {
				t.Errorf("Links: got %d up, %d down, want %d up and all there", r.Up, r.Down, c.Links)
			}
		}
		agents[i].end(t)
		for deadline := time.Now().Add(mtptest.Timeout); s.Down != c.Links; s = servers[i].report(t) {
			if time.Now().After(deadline) {
				t.Fatalf("Links after the Agents have gone: got %d down, want %d", s.Down, c.Links)
			}
		}
		servers[i].end(t)
	}
}

// process is a crowd that runs.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start runs this program once more.
func (c crowd) start(t *testing.T) *process {
	t.Helper()
	conf, err := json.Marshal(c)
	if err != nil {
		t.Fatalf("configuration: got %v, want nil", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatalf("Executable: got %v, want nil", err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), self)
	cmd.Env = append(os.Environ(), crowdVariable+"="+string(conf))
	cmd.Stderr = os.Stderr
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut, cmd.Start()); err != nil {
		t.Fatalf("start a crowd: got %v, want nil", err)
	}
	p := &process{cmd: cmd, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		if cmd.ProcessState == nil { // the test has failed
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return p
}

// line waits for the next line of the process.
func (p *process) line(t *testing.T) string {
	t.Helper()
	s, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("crowd: got %v, want a line", err)
	}
	return s[:len(s)-1]
}

func (p *process) report(t *testing.T) (r report) {
	t.Helper()
	if _, err := io.WriteString(p.in, "\n"); err != nil {
		t.Fatalf("crowd: got %v, want nil", err)
	}
	if err := json.Unmarshal([]byte(p.line(t)), &r); err != nil {
		t.Fatalf("report: got %v, want nil", err)
	}
	return r
}

func (p *process) end(t *testing.T) {
	t.Helper()
	_ = p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("crowd: got %v, want nil", err)
	}
}

// TestManyLinks is the small form of what make soak does with 50,000.
func TestManyLinks(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs addresses like 127.0.0.2")
	}
	manyLinks(t, 500, 1000, 100*time.Millisecond)
}
