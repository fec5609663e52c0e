// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// full is a Router whose buffer is small and has the Agents' Records already.
type full struct {
	*routing.Router
	t   *testing.T
	reg *prometheus.Registry
	c   *link // who has filled it
}

// bubble runs f with a Router in which agentID and otherAgent are known and away,
// and n Records wait for agentID.
func bubble(t *testing.T, o routing.Options, limits buffer.Limits, n int, f func(*full)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		o.Metrics = reg
		if o.Buffer == nil {
			mem, err := buffer.NewMemory(buffer.MemoryOptions{Limits: limits, Metrics: reg})
			if err != nil {
				t.Fatal(err)
			}
			o.Buffer = mem
		}
		o.Routes = []routing.Route{
			{Match: string(agentID), Role: usp.RoleAgent},
			{Match: string(otherAgent), Role: usp.RoleAgent},
			{Match: "os::012345-C", Role: usp.RoleAgent},
			{Match: "self::away", Role: usp.RoleController},
		}
		w := &full{Router: newRouter(t, o), t: t, reg: reg}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- w.Run(ctx) }()
		w.c = up(t, w.Router, told("self::filler"))
		for i := range n {
			w.c.wantAck(w.c.send(msg("self::filler", agentID, fmt.Sprintf("before %d", i))), nil)
		}
		f(w)
		cancel()
		<-ended
		if got := value(t, reg, "uspgate_held_records"); got != 0 {
			t.Errorf("got %v Records held in the end, want 0", got)
		}
	})
}

// told is a Controller that hears of every outcome.
func told(id usp.EndpointID) mtp.Peer {
	p := controllerPeer(id)
	p.Kind, p.Acks = mtp.MQTT, true
	return p
}

func (w *full) want(metric string, want float64) {
	w.t.Helper()
	if got := value(w.t, w.reg, metric); got != want {
		w.t.Errorf("%s: got %v, want %v", metric, got, want)
	}
}

// unsettled fails the test if one of the tokens has an outcome.
func (l *link) unsettled(toks ...mtp.Token) {
	l.t.Helper()
	synctest.Wait()
	for _, tok := range toks {
		if err, ok := l.acked(tok); ok {
			l.t.Fatalf("token %d is settled with %v, want it to wait", tok, err)
		}
	}
}

func sleep(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestHeldRecordsKeepTheirPlace(t *testing.T) {
	bubble(t, routing.Options{}, buffer.Limits{MaxRecords: 2}, 2, func(w *full) {
		t := w.t
		var toks []mtp.Token
		for i := range 3 {
			toks = append(toks, w.c.send(msg("self::filler", agentID, fmt.Sprint(i))))
		}
		sleep(time.Second)
		w.c.unsettled(toks...)
		w.want("uspgate_held_records", 3)
		a := up(t, w.Router, agentPeer(agentID))
		a.deliver(5)
		if got, want := texts(a.received()), []string{"before 0", "before 1", "0", "1", "2"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		for _, tok := range toks {
			w.c.wantAck(tok, nil)
		}
		w.want("uspgate_queue_dropped_total full", 0)
	})
}

func TestHeldTooLongIsRefusedForGood(t *testing.T) {
	bubble(t, routing.Options{}, buffer.Limits{MaxRecords: 1}, 1, func(w *full) {
		t := w.t
		short := told("self::short")
		short.MaxHold = 300 * time.Millisecond
		s := up(t, w.Router, short)
		quick := s.send(msg("self::short", agentID, "short"))
		slow := w.c.send(msg("self::filler", agentID, "long"))
		sleep(299 * time.Millisecond)
		s.unsettled(quick)
		sleep(2 * time.Millisecond)
		s.wantAck(quick, mtp.ErrBusy)
		w.c.unsettled(slow)
		sleep(1690 * time.Millisecond)
		w.c.unsettled(slow)
		sleep(20 * time.Millisecond)
		w.c.wantAck(slow, mtp.ErrBusy)
		a := up(t, w.Router, agentPeer(agentID))
		a.deliver(1)
		sleep(5 * time.Second)
		if got, want := texts(a.received()), []string{"before 0"}; !slices.Equal(got, want) || a.outstanding() > 0 {
			t.Errorf("got %v and %d more, want %v: what was refused never comes", got, a.outstanding(), want)
		}
		w.want("uspgate_held_total late", 2)
		w.want("uspgate_queue_dropped_total full", 2)
		w.want("uspgate_route_refused_total busy", 2)
	})
}

func TestLinkThatCannotBeToldIsNotRead(t *testing.T) {
	o := routing.Options{WindowRecords: 8, MaxHold: time.Minute}
	bubble(t, o, buffer.Limits{TotalRecords: 1}, 1, func(w *full) {
		t := w.t
		c, d := up(t, w.Router, agentPeer("os::012345-S")), up(t, w.Router, controllerPeer("self::live"))
		b := up(t, w.Router, agentPeer(otherAgent))
		b.auto = true
		read := make(chan mtp.Token, 10)
		go func() {
			for i := range 4 {
				read <- c.send(msg("os::012345-S", "self::away", fmt.Sprint(i)))
			}
		}()
		sleep(10 * time.Second)
		if got := len(read); got != 2 {
			t.Fatalf("got %d Records read, want the quarter of the window, 2", got)
		}
		for range 100 { // others are not concerned
			d.wantAck(d.send(msg("self::live", otherAgent, "live")), nil)
		}
		a := up(t, w.Router, controllerPeer("self::away"))
		a.deliver(4)
		if got, want := texts(a.received()), []string{"connect os::012345-S", "0", "1", "2", "3"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestUnreadLinkIsReadAgainWhenItsTimeIsUp(t *testing.T) {
	o := routing.Options{WindowRecords: 4}
	bubble(t, o, buffer.Limits{TotalRecords: 1}, 1, func(w *full) {
		t := w.t
		p := agentPeer("os::012345-S")
		p.MaxHold = time.Minute
		c := up(t, w.Router, p)
		first := c.send(msg("os::012345-S", "self::away", "1"))
		begin := time.Now()
		second := c.send(msg("os::012345-S", "self::away", "2")) // blocks
		if took := time.Since(begin).Truncate(10 * time.Millisecond); took != time.Minute {
			t.Errorf("not read for %v, want 1m0s", took)
		}
		c.wantAck(first, mtp.ErrBusy)
		c.unsettled(second)
		sleep(time.Minute)
		c.wantAck(second, mtp.ErrBusy)
	})
}

func TestReleaseEndsTheWait(t *testing.T) {
	o := routing.Options{WindowRecords: 4, MaxHold: time.Hour}
	bubble(t, o, buffer.Limits{TotalRecords: 1}, 1, func(w *full) {
		t := w.t
		c := up(t, w.Router, agentPeer("os::012345-S"))
		first := c.send(msg("os::012345-S", "self::away", "1"))
		go func() {
			<-time.After(time.Second)
			mtp.Release(c.port)
		}()
		begin := time.Now()
		second := c.send(msg("os::012345-S", "self::away", "2"))
		if took := time.Since(begin); took != time.Second {
			t.Errorf("Accept returned after %v, want 1s", took)
		}
		c.wantAck(second, mtp.ErrBusy)
		c.unsettled(first)
		c.kill() // it cannot send again: what is held stays
		a := up(t, w.Router, controllerPeer("self::away"))
		a.deliver(1)
		w.want("uspgate_held_total link", 1)
	})
}

func TestWhoIsGoneCostsNobodyElseOnTheTrunk(t *testing.T) {
	o := routing.Options{WindowRecords: 16}
	bubble(t, o, buffer.Limits{TotalRecords: 1}, 1, func(w *full) {
		t := w.t
		p := trunkPeer("west")
		trunk := up(t, w.Router, p)
		b := up(t, w.Router, agentPeer(otherAgent))
		b.auto = true
		var toks []mtp.Token
		for i := range 2 {
			toks = append(toks, trunk.send(msg(controllerID, agentID, fmt.Sprint(i))))
		}
		for range 100 { // an eighth of the window for one address, the rest at once
			trunk.wantAck(trunk.send(msg(controllerID, agentID, "too many")), mtp.ErrBusy)
			trunk.wantAck(trunk.send(msg(controllerID, otherAgent, "live")), nil)
		}
		trunk.unsettled(toks...)
		w.want("uspgate_held_total address", 100)
		sleep(3 * time.Second)
		trunk.wantAck(toks[0], mtp.ErrBusy)
	})
}

func TestLinkHoldsAPartOfItsWindow(t *testing.T) {
	o := routing.Options{WindowRecords: 16}
	bubble(t, o, buffer.Limits{TotalRecords: 1}, 1, func(w *full) {
		for _, to := range []usp.EndpointID{agentID, agentID, otherAgent, otherAgent} {
			w.c.send(msg("self::filler", to, "held"))
		}
		w.c.wantAck(w.c.send(msg("self::filler", "os::012345-C", "x")), mtp.ErrBusy)
		w.want("uspgate_held_total link", 1)
	})
}

func TestAgentThatIsGoneCostsTheOthersOfItsControllerNothing(t *testing.T) {
	o := routing.Options{WindowRecords: 8, MaxHold: time.Hour}
	bubble(t, o, buffer.Limits{TotalRecords: 1}, 1, func(w *full) {
		t := w.t
		c := up(t, w.Router, controllerPeer(controllerID)) // not told, and read all the same
		b := up(t, w.Router, agentPeer(otherAgent))
		b.auto = true
		c.unsettled(c.send(msg(controllerID, agentID, "held")))
		for range 20 {
			c.wantAck(c.send(msg(controllerID, agentID, "x")), mtp.ErrBusy)
			c.wantAck(c.send(msg(controllerID, otherAgent, "live")), nil)
		}
		w.want("uspgate_held_total address", 20)
	})
}

func TestHoldsAreBoundedInAll(t *testing.T) {
	o := routing.Options{HoldRecords: 3}
	bubble(t, o, buffer.Limits{TotalRecords: 1}, 1, func(w *full) {
		t := w.t
		for range 3 {
			w.c.send(msg("self::filler", agentID, "held"))
		}
		w.c.wantAck(w.c.send(msg("self::filler", agentID, "x")), mtp.ErrBusy)
		w.want("uspgate_held_total total", 1)
		c := up(t, w.Router, controllerPeer(controllerID)) // one of each that is not read
		tok := c.send(msg(controllerID, otherAgent, "y"))
		c.unsettled(tok)
		begin := time.Now()
		c.send(msg(controllerID, otherAgent, "z"))
		if took := time.Since(begin).Truncate(10 * time.Millisecond); took != routing.DefaultMaxHold {
			t.Errorf("not read for %v, want %v", took, routing.DefaultMaxHold)
		}
	})
}

func TestLinkThatSendsAgainTakesItsHeldRecordsAlong(t *testing.T) {
	bubble(t, routing.Options{}, buffer.Limits{TotalRecords: 1}, 1, func(w *full) {
		t := w.t
		w.c.send(msg("self::filler", agentID, "x"))
		w.c.kill()
		a := up(t, w.Router, agentPeer(agentID))
		a.deliver(1)
		sleep(3 * time.Second)
		if got := a.outstanding(); got != 0 {
			t.Errorf("got %d more Records, want none: the peer sends it again", got)
		}
		w.want("uspgate_held_total link_gone", 1)
	})
}

func TestWhatNeverFitsIsRefusedAtOnce(t *testing.T) {
	bubble(t, routing.Options{}, buffer.Limits{MaxBytes: 1000}, 0, func(w *full) {
		w.c.wantAck(w.c.send(msg("self::filler", agentID, string(make([]byte, 1000)))), mtp.ErrTooLarge)
	})
}

func TestLinkThatHoldsNothing(t *testing.T) {
	o := routing.Options{MaxHold: -1}
	bubble(t, o, buffer.Limits{MaxRecords: 1}, 1, func(w *full) {
		w.c.wantAck(w.c.send(msg("self::filler", agentID, "x")), mtp.ErrBusy)
		w.want("uspgate_held_total not_held", 1)
	})
}

func TestHeldRecordsAreGivenUpAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mem, err := buffer.NewMemory(buffer.MemoryOptions{Limits: buffer.Limits{MaxRecords: 1}})
		if err != nil {
			t.Fatal(err)
		}
		r := newRouter(t, routing.Options{
			Buffer: mem, MaxHold: time.Hour, Routes: []routing.Route{{Match: string(agentID), Role: usp.RoleAgent}},
		})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		c := up(t, r, told(controllerID))
		c.send(msg(controllerID, agentID, "1"))
		tok := c.send(msg(controllerID, agentID, "2"))
		c.unsettled(tok)
		cancel()
		<-ended
		c.wantAck(tok, mtp.ErrBusy)
		c.wantAck(c.send(msg(controllerID, agentID, "3")), mtp.ErrBusy)
	})
}
