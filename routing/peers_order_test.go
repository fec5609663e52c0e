// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/routing/peerstest"
	"github.com/uspgate/uspgate/usp"
)

// many is a small fleet on several nodes, and what the test knows of it.
type many struct {
	g     *gateway
	ro    routing.Options
	ends  []usp.Address
	links [][]*manyLink // per end, those that are up
	every []*manyLink
	sent  []manySent
	n     map[string]int // per "from to"
	// rough: something happened after which a Record may come twice.
	rough bool
	names int
}

type manyLink struct {
	*link

	at  *gateNode
	end int
	// acks are those of the time when the node died; nil while it lives.
	atDeath map[mtp.Token]error
}

type manySent struct {
	text string
	by   *manyLink
	tok  mtp.Token
	// after is how many Records of the pair had been acknowledged by then.
	sure map[string]bool
}

func (l *manyLink) outcome(t mtp.Token) (error, bool) {
	if l.atDeath != nil {
		err, ok := l.atDeath[t]
		return err, ok
	}
	return l.acked(t)
}

func (w *many) connect(t *testing.T, end, node int, kind mtp.Kind) {
	t.Helper()
	n := w.g.nodes[node%len(w.g.nodes)]
	p := agentPeer(w.ends[end].ID)
	p.Role, p.Kind = w.ends[end].Role, kind
	l := &manyLink{link: n.up(t, p), at: n, end: end}
	l.quiet = true
	w.links[end] = append(w.links[end], l)
	w.every = append(w.every, l)
	w.replaced()
}

// settle has the i-th outstanding Record of a Link delivered.
func (w *many) settle(l *manyLink, i int) {
	l.mu.Lock()
	since := time.Since(l.out[i].at)
	l.mu.Unlock()
	// DESIGN.md promises nothing for a Link that hangs for longer than HandOver: the
	// address goes to another node without it, and the Record arrives there too. How
	// long it hung counts, not what was on the Link when another one came up: more
	// goes there until the owner is asked for the address.
	if since >= w.ro.HandOver {
		w.rough = w.rough || slices.ContainsFunc(w.every, func(o *manyLink) bool { return o.end == l.end && o.at != l.at })
	}
	l.settle(i, nil)
}

// replaced kills what a Router has closed, as a carrier would.
func (w *many) replaced() {
	for end := range w.links {
		kept := w.links[end][:0]
		for _, l := range w.links[end] {
			switch {
			case l.isDown():
			case l.isClosed() != nil:
				l.kill()
			default:
				kept = append(kept, l)
			}
		}
		w.links[end] = kept
	}
}

func (w *many) send(end, x int) {
	links := w.links[end]
	if len(links) == 0 {
		return
	}
	l, to := links[x%len(links)], (end+2)%len(w.ends)
	if x%3 == 0 {
		to = to&^1 + (to+1)&1
	}
	key := string(w.ends[end].ID) + " " + string(w.ends[to].ID)
	sure := map[string]bool{}
	for _, s := range w.sent {
		if _, ok := s.by.outcome(s.tok); strings.HasPrefix(s.text, key+" ") && (ok || s.by == l) {
			sure[s.text] = true
		}
	}
	w.n[key]++
	text := key + " " + strconv.Itoa(w.n[key])
	w.sent = append(w.sent, manySent{text, l, l.send(msg(w.ends[end].ID, w.ends[to].ID, text)), sure})
}

// die kills a node with all that is on it, and starts another.
func (w *many) die(node int) {
	n := w.g.nodes[node%len(w.g.nodes)]
	w.rough = true
	n.q.Cut()
	n.Kill()
	for _, l := range w.every {
		if l.at == n && l.atDeath == nil {
			l.mu.Lock()
			l.atDeath = maps.Clone(l.acks)
			l.mu.Unlock()
			if !l.isDown() {
				l.kill()
			}
		}
	}
	w.replaced()
	w.g.bury(n)
	w.names++
	w.g.join(fmt.Sprintf("N%d", w.names), w.ro)
}

// step does one thing, chosen by op.
func (w *many) step(t *testing.T, op uint32) {
	t.Helper()
	end, x := int(op>>4)%len(w.ends), int(op>>8)
	links := w.links[end]
	switch op % 16 {
	case 0, 1, 2, 3, 4:
		w.send(end, x)
	case 5, 6, 7, 8:
		if len(links) > 0 && links[x%len(links)].outstanding() > 0 {
			w.settle(links[x%len(links)], 0)
		}
	case 9:
		if len(links) > 0 {
			l := links[x%len(links)]
			if n := l.outstanding(); n > 0 {
				w.rough = w.rough || x%n > 0 // ahead of older ones, which may fail
				w.settle(l, x%n)
			}
		}
	case 10:
		if len(links) > 0 {
			links[x%len(links)].kill()
			w.replaced()
		}
	case 11, 12:
		kinds := []mtp.Kind{mtp.WebSocket, mtp.WebSocket, mtp.MQTT, mtp.CoAP}
		w.connect(t, end, x, kinds[x/8%len(kinds)])
	case 13:
		switch x % 4 {
		case 0:
			w.die(x / 4)
		case 1:
			n := w.g.nodes[x/4%len(w.g.nodes)]
			w.rough = true
			n.Expire()
			<-time.After(time.Duration(x%700) * time.Millisecond)
			n.Renew()
		case 2:
			w.rough = true
			a, b := w.g.nodes[x/4%len(w.g.nodes)], w.g.nodes[(x/4+1)%len(w.g.nodes)]
			w.g.c.Sever(a.Node, b.Node)
			<-time.After(time.Duration(x%300) * time.Millisecond)
			w.g.c.Connect(a.Node, b.Node)
		case 3:
			if len(links) > 0 {
				l := links[x/4%len(links)]
				l.mu.Lock()
				l.limit = x / 4 % 4
				l.mu.Unlock()
			}
		}
	case 14:
		<-time.After(time.Duration(1+x%200) * time.Millisecond)
	case 15:
		synctest.Wait()
	}
	w.replaced()
}

// finish brings everybody up and delivers all there is.
func (w *many) finish(t *testing.T) string {
	t.Helper()
	for end := range w.ends {
		w.connect(t, end, end, mtp.WebSocket)
	}
	for range 100 {
		synctest.Wait()
		idle := true
		for _, links := range w.links {
			for _, l := range links {
				l.mu.Lock()
				l.limit = 0
				l.mu.Unlock()
				for l.outstanding() > 0 {
					w.settle(l, 0)
					idle = false
				}
			}
		}
		w.replaced()
		for end := range w.links { // an Endpoint whose Link is closed comes again
			if len(w.links[end]) == 0 {
				w.connect(t, end, end, mtp.WebSocket)
				idle = false
			}
		}
		if idle && len(w.g.mem.Lanes()) == 0 && w.settledDown() {
			return ""
		}
		<-time.After(500 * time.Millisecond)
	}
	return fmt.Sprintf("not drained: %v waits, all settled: %v", w.g.mem.Lanes(), w.settledDown())
}

func (w *many) settledDown() bool {
	for _, s := range w.sent {
		if _, ok := s.by.outcome(s.tok); !ok && s.by.atDeath == nil {
			return false
		}
	}
	return true
}

// check compares what was delivered with what was sent.
func (w *many) check() string {
	delivered := map[string]int{}
	first := map[string]int{} // place in the order of first sight
	var all []outgoing
	for _, l := range w.every {
		if l.twice && l.atDeath == nil {
			return "a token was acknowledged twice"
		}
		for _, text := range texts(l.received()) {
			delivered[text]++
		}
	}
	all = append(all, *w.g.journal()...)
	for i, text := range texts(all) {
		if _, seen := first[text]; !seen {
			first[text] = i
		}
	}
	refused := map[string]bool{}
	for _, s := range w.sent {
		// One that was on its way when a node or a Link died is refused without
		// knowing whether it arrived: its sender sends it again, or does not.
		err, ok := s.by.outcome(s.tok)
		refused[s.text] = ok && err != nil || !ok && s.by.atDeath != nil
	}
	for _, s := range w.sent {
		err, ok := s.by.outcome(s.tok)
		switch n := delivered[s.text]; {
		case !ok && s.by.atDeath == nil:
			return fmt.Sprintf("%q was never settled", s.text)
		case ok && err == nil && n == 0:
			return fmt.Sprintf("%q was acknowledged and lost", s.text)
		case ok && err == nil && n > 1 && !w.rough:
			return fmt.Sprintf("%q was delivered %d times", s.text, n)
		}
		at, seen := first[s.text]
		for before := range s.sure {
			if was, ok := first[before]; ok && seen && was > at && !refused[before] && !refused[s.text] {
				return fmt.Sprintf("%q was seen for the first time after %q", before, s.text)
			}
		}
	}
	return ""
}

func playMany(t *testing.T, ops []uint32, seed uint64, known bool) string {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	delays := make(chan time.Duration, 1)
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case delays <- time.Duration(rng.IntN(1+int(seed%8))) * time.Millisecond:
			case <-stop:
				return
			}
		}
	}()
	delay := func() time.Duration {
		select {
		case d := <-delays:
			return d
		case <-stop: // a Claim or a Put of a Router that is ending
			return 0
		}
	}
	ro := routing.Options{
		WindowRecords: 6, DrainRecords: 5, SpillAfter: 20 * time.Millisecond,
		HandOver: 500 * time.Millisecond, ClaimWait: 3 * time.Second,
	}
	o := peerstest.Options{
		Delay: delay, Window: 1 + int(seed%9), Lease: 300 * time.Millisecond,
		Ask: 3 * time.Second,
	}
	if known {
		ro.Routes = []routing.Route{{Match: "*", Role: usp.RoleAgent}, {Match: "*", Role: usp.RoleController}}
	}
	w := &many{
		g: newGateway(t, 3, o, ro), ro: ro, n: map[string]int{},
		ends: []usp.Address{
			{ID: "os::012345-A", Role: usp.RoleAgent},
			{ID: "os::012345-B", Role: usp.RoleAgent},
			{ID: "self::c", Role: usp.RoleController},
			{ID: "self::d", Role: usp.RoleController},
		},
	}
	w.links = make([][]*manyLink, len(w.ends))
	for end := range w.ends {
		w.connect(t, end, end, mtp.WebSocket)
	}
	if !known {
		<-time.After(time.Second)
	}
	for _, op := range ops {
		w.step(t, op)
	}
	fault := w.finish(t)
	if fault == "" {
		fault = w.check()
	}
	w.g.close()
	close(stop)
	return fault
}

// TestOrderAndAcknowledgementOfSeveralNodes has Endpoints wander among nodes
// that die, lose their lease and their Links to each other.
func TestOrderAndAcknowledgementOfSeveralNodes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		ops := rapid.SliceOfN(rapid.Uint32(), 40, 160).Draw(rt, "ops")
		seed := rapid.Uint64().Draw(rt, "seed")
		known := rapid.Bool().Draw(rt, "known by a route")
		var fault string
		synctest.Test(t, func(t *testing.T) { fault = playMany(t, ops, seed, known) })
		if fault != "" {
			rt.Fatal(fault)
		}
	})
}
