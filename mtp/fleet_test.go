// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

var (
	_ mtp.Transport   = (*mtp.Fleet)(nil)
	_ mtp.Representer = (*mtp.Fleet)(nil)
)

func agent(i int) usp.Address {
	return usp.Address{ID: usp.EndpointID(fmt.Sprintf("os::00D09E-%d", i)), Role: usp.RoleAgent}
}

// sessions stands for the peer of a fleet: it notes when each member dials and
// can end all sessions at once.
type sessions struct {
	mu    sync.Mutex
	begin time.Time
	dials []time.Duration
	order []usp.EndpointID
	open  map[usp.EndpointID]int
	end   chan struct{}
	bye   time.Duration // how long a good-bye takes
}

func newSessions() *sessions {
	return &sessions{begin: time.Now(), open: make(map[usp.EndpointID]int), end: make(chan struct{})}
}

func (s *sessions) dial(id usp.EndpointID, n int) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[id] += n
	if n > 0 {
		s.dials = append(s.dials, time.Since(s.begin))
		s.order = append(s.order, id)
	}
	return s.end
}

// count returns how many dials and how many open sessions there are, and fails
// if an Endpoint has two.
func (s *sessions) count(t *testing.T) (dials, open int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, n := range s.open {
		if n > 1 {
			t.Errorf("sessions of %s: got %d, want one at most", id, n)
		}
		open += n
	}
	return len(s.dials), open
}

// restart ends all sessions.
func (s *sessions) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.end)
	s.end = make(chan struct{})
}

// member is a Transport that reconnects as every client does.
type member struct {
	mtp.FleetMember
	sessions *sessions
}

func (m *member) Name() string                 { return "member" }
func (m *member) Listen(context.Context) error { return nil }
func (m *member) Addr() string                 { return "" }

func (m *member) Run(ctx context.Context, _ mtp.Handler) error {
	return mtp.Supervise(ctx, mtp.SuperviseOptions{Hold: m.Hold}, func(ctx context.Context, up func()) error {
		end := m.sessions.dial(m.Address.ID, 1)
		defer m.sessions.dial(m.Address.ID, -1)
		up()
		select {
		case <-end:
			return errDial
		case <-ctx.Done():
			<-time.After(m.sessions.bye)
			return nil
		}
	})
}

// pass lets d go by in a bubble, and everything happen that is due then.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// runFleet runs f until the returned function is called.
func runFleet(t *testing.T, f *mtp.Fleet) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Run(ctx, nil) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	}
}

func newFleet(t *testing.T, o mtp.FleetOptions, s *sessions) *mtp.Fleet {
	t.Helper()
	if o.New == nil {
		o.New = func(m mtp.FleetMember) (mtp.Transport, error) { return &member{m, s}, nil }
	}
	f, err := mtp.NewFleet(o)
	if err != nil {
		t.Fatalf("NewFleet: got %v, want nil", err)
	}
	return f
}

// checkPace fails if more than burst + rate·t dials began within any span t.
func checkPace(t *testing.T, dials []time.Duration, rate, burst int) {
	t.Helper()
	for i := range dials {
		for j := i; j < len(dials); j++ {
			limit := burst + int((dials[j]-dials[i]).Seconds()*float64(rate)) + 1
			if got := j - i + 1; got > limit {
				t.Fatalf("dials between %v and %v: got %d, want at most %d", dials[i], dials[j], got, limit)
			}
		}
	}
}

// TestFleetPace: first dials and those after a restart of the peer keep to the
// rate, and first dials to the order of Represent.
func TestFleetPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n, rate, burst = 300, 20, 5
		s := newSessions()
		f := newFleet(t, mtp.FleetOptions{Rate: rate, Burst: burst}, s)
		var want []usp.EndpointID
		for i := range n {
			f.Represent(agent(i))
			f.Represent(agent(i)) // says nothing new
			want = append(want, agent(i).ID)
		}
		stop := runFleet(t, f)
		pass(n / rate * time.Second)
		if dials, open := s.count(t); dials != n || open != n {
			t.Fatalf("after %v: got %d dials, %d sessions, want %d each", n/rate*time.Second, dials, open, n)
		}
		if got := s.order[burst:]; !slices.Equal(got, want[burst:]) { // a burst begins at once
			t.Errorf("order: got %v, want that of Represent", got)
		}
		s.restart()
		pass((10 + n/rate) * time.Second) // Retry waits for 5 s to 10 s
		if dials, open := s.count(t); dials != 2*n || open != n {
			t.Fatalf("after a restart: got %d dials, %d sessions, want %d, %d", dials, open, 2*n, n)
		}
		checkPace(t, s.dials, rate, burst)
		stop()
		if _, open := s.count(t); open != 0 || f.Members() != 0 {
			t.Errorf("after Run: got %d sessions, %d members, want none", open, f.Members())
		}
	})
}

// TestFleetDefaultPace is 50 per second.
func TestFleetDefaultPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSessions()
		f := newFleet(t, mtp.FleetOptions{}, s)
		for i := range 110 {
			f.Represent(agent(i))
		}
		defer runFleet(t, f)()
		pass(time.Second)
		if dials, _ := s.count(t); dials != mtp.DefaultFleetBurst+mtp.DefaultFleetRate {
			t.Errorf("dials in the first second: got %d, want %d", dials, mtp.DefaultFleetBurst+mtp.DefaultFleetRate)
		}
	})
}

// TestFleetHeldMember: a turn that was not used at once is lost, so that what
// held many members up does not let all of them go at once.
func TestFleetHeldMember(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n, rate, burst = 50, 10, 1
		s, free := newSessions(), make(chan struct{})
		f := newFleet(t, mtp.FleetOptions{Rate: rate, Burst: burst, New: func(m mtp.FleetMember) (mtp.Transport, error) {
			pace := m.Hold
			m.Hold = func(ctx context.Context) error {
				<-free
				return pace(ctx)
			}
			return &member{m, s}, nil
		}}, s)
		for i := range n {
			f.Represent(agent(i))
		}
		defer runFleet(t, f)()
		pass(time.Minute)
		close(free)
		pass(n / rate * time.Second)
		if dials, _ := s.count(t); dials != n {
			t.Fatalf("dials: got %d, want %d", dials, n)
		}
		checkPace(t, s.dials, rate, burst)
	})
}

// TestFleetWithdraw ends a member, also one that waits, and a member that is
// wanted again waits for the good-bye of the old one.
func TestFleetWithdraw(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSessions()
		s.bye = 3 * time.Second
		f := newFleet(t, mtp.FleetOptions{Rate: 1, Burst: 1}, s)
		defer runFleet(t, f)()
		f.Represent(agent(0))
		f.Represent(agent(1))
		synctest.Wait()
		f.Withdraw(agent(1)) // it is still waiting
		f.Withdraw(agent(2)) // nobody
		pass(5 * time.Second)
		if dials, open := s.count(t); dials != 1 || open != 1 || f.Members() != 1 {
			t.Fatalf("got %d dials, %d sessions, %d members, want one each", dials, open, f.Members())
		}
		f.Withdraw(agent(0))
		f.Represent(agent(0))
		f.Withdraw(agent(0))
		f.Represent(agent(0))
		pass(2 * time.Second)
		if dials, _ := s.count(t); dials != 1 {
			t.Fatalf("dials during the good-bye: got %d, want 1", dials)
		}
		pass(2 * time.Second)
		if dials, open := s.count(t); dials != 2 || open != 1 {
			t.Fatalf("wanted again: got %d dials, %d sessions, want 2, 1", dials, open)
		}
		f.Withdraw(agent(0))
		pass(4 * time.Second)
		if _, open := s.count(t); open != 0 || f.Members() != 0 {
			t.Errorf("withdrawn: got %d sessions, %d members, want none", open, f.Members())
		}
	})
}

// TestFleetBound: what is too many is refused and counted, and there is room
// again after Withdraw.
func TestFleetBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, reg := newSessions(), prometheus.NewRegistry()
		f := newFleet(t, mtp.FleetOptions{Max: 2, Rate: -1, Metrics: reg}, s)
		stop := runFleet(t, f)
		for i := range 4 {
			f.Represent(agent(i))
		}
		synctest.Wait()
		if _, open := s.count(t); open != 2 {
			t.Errorf("sessions: got %d, want 2", open)
		}
		wantFleetMetrics(t, reg, 2, 0, 2)
		f.Withdraw(agent(0))
		synctest.Wait()
		f.Represent(agent(3))
		synctest.Wait()
		if _, open := s.count(t); open != 2 {
			t.Errorf("sessions: got %d, want 2", open)
		}
		stop()
		wantFleetMetrics(t, reg, 0, 0, 2)
	})
}

// TestFleetHundredThousand: as many members as the default allows, which cost
// little while they wait.
func TestFleetHundredThousand(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	f := newFleet(t, mtp.FleetOptions{Metrics: reg}, nil)
	for i := range mtp.DefaultFleetMax + 1 {
		f.Represent(agent(i))
	}
	if got := f.Members(); got != mtp.DefaultFleetMax {
		t.Errorf("members: got %d, want %d", got, mtp.DefaultFleetMax)
	}
	wantFleetMetrics(t, reg, mtp.DefaultFleetMax, 0, 1)
	for i := range mtp.DefaultFleetMax {
		f.Withdraw(agent(i))
	}
	wantFleetMetrics(t, reg, 0, 0, 1)
}

// TestFleetLostMember: one that cannot be made, gives up or panics is dropped
// and counted, and may be represented again.
func TestFleetLostMember(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, reg := newSessions(), prometheus.NewRegistry()
		broken := true
		f := newFleet(t, mtp.FleetOptions{Rate: -1, Metrics: reg, New: func(m mtp.FleetMember) (mtp.Transport, error) {
			switch {
			case !broken:
				return &member{m, s}, nil
			case m.Address == agent(0):
				return nil, errDial
			case m.Address == agent(1):
				panic("on purpose")
			default:
				return givesUp{&member{m, s}}, nil
			}
		}}, s)
		defer runFleet(t, f)()
		for i := range 3 {
			f.Represent(agent(i))
		}
		synctest.Wait()
		wantFleetMetrics(t, reg, 0, 3, 0)
		broken = false
		for i := range 3 {
			f.Represent(agent(i))
		}
		synctest.Wait()
		wantFleetMetrics(t, reg, 3, 3, 0)
	})
}

// givesUp is a member that ends by itself.
type givesUp struct{ *member }

func (givesUp) Run(context.Context, mtp.Handler) error { return errDial }

func wantFleetMetrics(t *testing.T, reg *prometheus.Registry, members, ended, full float64) {
	t.Helper()
	want := map[string]float64{"ended": ended, "full": full, "": members}
	families, err := reg.Gather()
	if err != nil {
		t.Fatalf("Gather: got %v, want nil", err)
	}
	for _, f := range families {
		if f.GetName() == "uspgate_fleet_dials_waiting" {
			continue
		}
		for _, m := range f.GetMetric() {
			reason := ""
			for _, l := range m.GetLabel() {
				reason = l.GetValue()
			}
			if got := m.GetCounter().GetValue() + m.GetGauge().GetValue(); got != want[reason] {
				t.Errorf("%s %s: got %v, want %v", f.GetName(), reason, got, want[reason])
			}
		}
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("promlint: got %v, %v, want no problem", problems, err)
	}
}

// TestFleetWaitingCounts: those who wait for a turn are counted, and forgotten
// with the Fleet's end.
func TestFleetWaitingCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, reg := newSessions(), prometheus.NewRegistry()
		f := newFleet(t, mtp.FleetOptions{Rate: 0.001, Burst: 1, Metrics: reg}, s)
		for i := range 10 {
			f.Represent(agent(i))
		}
		stop := runFleet(t, f)
		synctest.Wait()
		s.restart()
		pass(11 * time.Second)
		waiting := func() float64 {
			families, _ := reg.Gather()
			for _, f := range families {
				if f.GetName() == "uspgate_fleet_dials_waiting" {
					return f.GetMetric()[0].GetGauge().GetValue()
				}
			}
			return -1
		}
		if got := waiting(); got != 10 {
			t.Errorf("waiting: got %v, want 9 new ones and one that dials again", got)
		}
		stop()
		if got := waiting(); got != 0 {
			t.Errorf("waiting after Run: got %v, want 0", got)
		}
	})
}

func TestFleetOptions(t *testing.T) {
	t.Parallel()
	if _, err := mtp.NewFleet(mtp.FleetOptions{}); err == nil {
		t.Error("NewFleet without New: got nil, want an error")
	}
	f := newFleet(t, mtp.FleetOptions{Addr: "ws://host/usp"}, nil)
	if f.Name() != "fleet" || f.Addr() != "ws://host/usp" || !errors.Is(f.Listen(t.Context()), nil) {
		t.Errorf("got %s, %s, want fleet, ws://host/usp", f.Name(), f.Addr())
	}
}
