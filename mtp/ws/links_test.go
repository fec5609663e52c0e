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
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

// crowdVariable makes this program a crowd instead of a test.
const crowdVariable = "USPGATE_TEST_CROWD"

// crowd is a process with a Fleet of many Agents.
type crowd struct {
	URL       string
	Agents    int
	Rate      float64
	Sources   []netip.Addr
	KeepAlive time.Duration
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

// runCrowd connects until its input ends; it writes a line when all are up.
func runCrowd(conf string) error {
	var c crowd
	if err := json.Unmarshal([]byte(conf), &c); err != nil {
		return err
	}
	if err := allowFiles(c.Agents); err != nil {
		return err
	}
	var buffers ws.Buffers
	f, err := mtp.NewFleet(mtp.FleetOptions{Rate: c.Rate, Burst: 100, New: func(m mtp.FleetMember) (mtp.Transport, error) {
		return ws.NewClient(ws.ClientOptions{
			LinkOptions: ws.LinkOptions{KeepAlive: c.KeepAlive}, URL: c.URL, Endpoint: m.Address.ID, Peer: "self::c",
			Role: usp.RoleController, SourceAddresses: c.Sources, Hold: m.Hold, Buffers: &buffers,
		})
	}})
	if err != nil {
		return err
	}
	before := used()
	for i := range c.Agents {
		f.Represent(fleetAgent(i))
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	hub, done := &census{}, make(chan error, 1)
	go func() { done <- f.Run(ctx, hub) }()
	for hub.up.Load() < int64(c.Agents) {
		<-time.After(10 * time.Millisecond)
	}
	each := (used() - before) / c.Agents
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprintf(os.Stdout, "%d (%d of them stack) in the clients\n", each, int(m.StackInuse)/c.Agents)
	_, _ = io.Copy(io.Discard, os.Stdin)
	if down := hub.down.Load(); down > 0 {
		return fmt.Errorf("%d Links went down", down)
	}
	stop()
	return <-done
}

// allowFiles raises the limit of open files to n and what else a process needs.
func allowFiles(n int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = max(limit.Cur, uint64(n+1000))
	limit.Max = max(limit.Max, limit.Cur)
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// manyLinks has n Agents of another process connect from several addresses, and
// stay for a while.
func manyLinks(t *testing.T, n int, rate float64, stay time.Duration) {
	t.Helper()
	if err := allowFiles(n); err != nil {
		t.Skipf("%d files may not be opened here: %v", n, err)
	}
	const keepAlive = 15 * time.Second
	s := newServer(t, ws.ServerOptions{LinkOptions: ws.LinkOptions{KeepAlive: keepAlive}, Role: usp.RoleAgent})
	s.LookEvery(2 * time.Second)
	hub := &census{}
	served := run(t, s, hub)
	before, begin := used(), time.Now()
	conf := crowd{URL: "ws://" + s.Addr() + "/usp", Agents: n, Rate: rate, KeepAlive: keepAlive}
	for i := range byte(4) {
		conf.Sources = append(conf.Sources, netip.AddrFrom4([4]byte{127, 0, 0, 2 + i}))
	}
	agents, leave := startCrowd(t, conf)
	clients, err := bufio.NewReader(agents).ReadString('\n')
	if err != nil {
		t.Fatalf("Agents: got %v, want a line when all are up", err)
	}
	took := time.Since(begin)
	if least := time.Duration(float64(n-100) / rate * float64(time.Second)); took < least {
		t.Errorf("%d dials: got in %v, want at least %v", n, took, least)
	}
	<-time.After(stay)
	each := (used() - before) / n
	t.Logf("%d Links up in %v (%.0f/s), all there %v later: %d bytes per Link, heap and stacks; %s",
		n, took.Round(time.Millisecond), float64(n)/took.Seconds(), stay, each, strings.TrimSpace(clients))
	if up, down := hub.up.Load(), hub.down.Load(); up != int64(n) || down != 0 {
		t.Errorf("Links: got %d up, %d down, want %d up and all there", up, down, n)
	}
	leave()
	for deadline := time.Now().Add(time.Minute); hub.down.Load() < int64(n); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("Links down: got %d, want %d", hub.down.Load(), n)
		}
	}
	served()
}

// run is mtptest.Start without the Recorder's checks, which need memory.
func run(t *testing.T, s *ws.Server, h mtp.Handler) (stop func()) {
	t.Helper()
	if err := s.Listen(t.Context()); err != nil {
		t.Fatalf("Listen: got %v, want nil", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, h) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	}
}

// startCrowd runs this program once more; leave has its Agents go and waits.
func startCrowd(t *testing.T, c crowd) (out io.Reader, leave func()) {
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
		t.Fatalf("start the Agents: got %v, want nil", err)
	}
	left := false
	leave = func() {
		if left {
			return
		}
		left = true
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("Agents: got %v, want nil", err)
		}
	}
	t.Cleanup(leave)
	return out, leave
}

// TestManyLinks is the small form of what make soak does with 50,000.
func TestManyLinks(t *testing.T) { //nolint:paralleltest // it reads the memory of the whole process
	if runtime.GOOS != "linux" {
		t.Skip("needs addresses like 127.0.0.2")
	}
	manyLinks(t, 500, 1000, 100*time.Millisecond)
}
