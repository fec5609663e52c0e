// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// slowQueue is a Memory that stores and settles some time after Put, in order,
// and refuses every refuse-th Put; every fail-th Read and Remove fails.
type slowQueue struct {
	*buffer.Memory
	puts         chan func()
	done         chan struct{}
	refuse, fail int
	n, reads     atomic.Int64
}

func (q *slowQueue) Put(item buffer.Item, settled func(uint64, error)) {
	n := int(q.n.Add(1))
	q.puts <- func() {
		if q.refuse > 0 && n%q.refuse == 0 {
			settled(0, buffer.ErrFull)
			return
		}
		q.Memory.Put(item, settled)
	}
}

func (q *slowQueue) Read(ctx context.Context, l buffer.Lane, after uint64, n int, b int64) ([]buffer.Item, error) {
	if n := int(q.reads.Add(1)); q.fail > 0 && n%q.fail == 0 {
		return nil, context.DeadlineExceeded
	}
	return q.Memory.Read(ctx, l, after, min(n, 3), b)
}

func (q *slowQueue) Remove(ctx context.Context, l buffer.Lane, upTo uint64) error {
	if n := int(q.reads.Add(1)); q.fail > 0 && n%q.fail == 0 {
		return context.DeadlineExceeded
	}
	return q.Memory.Remove(ctx, l, upTo)
}

func (q *slowQueue) run() {
	defer close(q.done)
	for put := range q.puts {
		<-time.After(time.Millisecond)
		put()
	}
}

// world is a small fleet and what the test knows of it.
type world struct {
	r     *routing.Router
	ends  []usp.Address
	links [][]*link // per end, the ones that are up
	every []*link
	sent  map[string]sentBy // by payload
	n     map[string]int    // per "from to"
	fault string
	mem   *buffer.Memory
	apart bool // in the end everybody has one Link per counterpart
	// purged is how many Records were purged: so many may be missing.
	purged int
	// together: no Links per counterpart, for which Records have to be moved in the
	// buffer, and that takes room for one.
	together bool
}

type sentBy struct {
	by  *link
	tok mtp.Token
}

func (w *world) peer(end int, presents usp.EndpointID, kind mtp.Kind) mtp.Peer {
	p := agentPeer(w.ends[end].ID)
	p.Role, p.Presents, p.Kind = w.ends[end].Role, presents, kind
	p.Acks = kind != mtp.WebSocket
	return p
}

func (w *world) connect(t *testing.T, end int, presents usp.EndpointID, kind mtp.Kind) {
	t.Helper()
	l := up(t, w.r, w.peer(end, presents, kind))
	l.quiet = true
	w.links[end] = append(w.links[end], l)
	w.every = append(w.every, l)
	w.replaced()
}

// trunk brings up one shared Link for both ends of a role.
func (w *world) trunk(t *testing.T, end int) {
	t.Helper()
	role := w.ends[end].Role
	l := up(t, w.r, mtp.Peer{
		Kind: mtp.STOMP, Listener: "trunk-" + role.String(), Role: role, Shared: true, Identity: mtp.Identity{Any: true},
	})
	l.quiet = true
	w.every = append(w.every, l)
	for i, a := range w.ends {
		if a.Role == role {
			if err := l.port.Bind(a, mtp.Hint{Destination: string(a.ID)}); err != nil {
				t.Fatal(err)
			}
			w.links[i] = append(w.links[i], l)
		}
	}
}

func (w *world) forget(l *link) {
	for end := range w.links {
		w.links[end] = slices.DeleteFunc(w.links[end], func(o *link) bool { return o == l })
	}
}

// replaced kills what the router has closed, as a carrier would.
func (w *world) replaced() {
	for end := range w.links {
		kept := w.links[end][:0]
		for _, l := range w.links[end] {
			if l.isClosed() != nil {
				l.kill()
			} else {
				kept = append(kept, l)
			}
		}
		w.links[end] = kept
	}
}

// step does one thing, chosen by op.
func (w *world) step(t *testing.T, op uint32) {
	t.Helper()
	end, x := int(op>>4)%len(w.ends), int(op>>8)
	links := w.links[end]
	switch op % 16 {
	case 5:
		w.trunk(t, end)
	case 0, 1, 2, 3, 4:
		if len(links) > 0 {
			w.send(end, links[x%len(links)], x)
		}
	case 6, 7, 8:
		if len(links) > 0 && links[x%len(links)].outstanding() > 0 {
			links[x%len(links)].settle(0, nil)
		}
	case 9:
		if len(links) > 0 {
			if l := links[x%len(links)]; l.outstanding() > 0 {
				l.settle(x%l.outstanding(), nil)
			}
		}
	case 10:
		if len(links) > 0 {
			l := links[x%len(links)]
			l.kill()
			w.forget(l)
		}
	case 11:
		kinds := []mtp.Kind{mtp.WebSocket, mtp.WebSocket, mtp.MQTT, mtp.CoAP}
		w.connect(t, end, "", kinds[x%len(kinds)])
	case 12: // a Link of its own for one counterpart
		presents := w.ends[(end+2)%len(w.ends)].ID
		if w.together {
			presents = ""
		}
		w.connect(t, end, presents, mtp.WebSocket)
	case 13:
		if len(links) > 0 {
			l := links[x%len(links)]
			l.mu.Lock()
			l.limit = x % 4
			l.mu.Unlock()
		}
	case 14:
		<-time.After(time.Duration(1+x%200) * time.Millisecond)
	case 15:
		if x%4 == 0 {
			w.purge(t, end)
		}
		synctest.Wait()
	}
}

// purge drops what waits in the lanes of one end.
func (w *world) purge(t *testing.T, end int) {
	t.Helper()
	for _, from := range []usp.EndpointID{"", w.ends[(end+2)%len(w.ends)].ID} {
		n, err := w.r.PurgeQueue(t.Context(), buffer.Lane{To: w.ends[end], From: from})
		if err != nil {
			t.Fatal(err)
		}
		w.purged += n
	}
}

// send sends to one of the two ends of the other role.
func (w *world) send(end int, by *link, x int) {
	to := (end + 2) % len(w.ends)
	if x%3 == 0 {
		to = to&^1 + (to+1)&1
	}
	key := string(w.ends[end].ID) + " " + string(w.ends[to].ID)
	w.n[key]++
	text := key + " " + strconv.Itoa(w.n[key])
	w.sent[text] = sentBy{by, by.send(msg(w.ends[end].ID, w.ends[to].ID, text))}
}

// finish brings everybody up and delivers all there is.
func (w *world) finish(t *testing.T) {
	t.Helper()
	for end := range w.ends {
		if !w.apart {
			w.connect(t, end, "", mtp.WebSocket)
			continue
		}
		for _, other := range []int{(end + 2) % 4, ((end+2)%4)&^1 + (end+1)&1} {
			w.connect(t, end, w.ends[other].ID, mtp.WebSocket)
		}
	}
	for range 200 {
		synctest.Wait()
		idle := true
		for _, links := range w.links {
			for _, l := range links {
				l.mu.Lock()
				l.limit = 0
				l.mu.Unlock()
				for l.outstanding() > 0 {
					l.settle(0, nil)
					idle = false
				}
			}
		}
		w.replaced()
		if idle {
			if len(w.mem.Lanes()) == 0 && w.settledDown() {
				return
			}
		}
		<-time.After(500 * time.Millisecond)
	}
	w.fault = "the buffer is not drained"
}

func (w *world) settledDown() bool {
	for _, s := range w.sent {
		if _, ok := s.by.acked(s.tok); !ok {
			return false
		}
	}
	return true
}

// check compares what was delivered with what was sent.
func (w *world) check() string {
	delivered := map[string]int{}
	for _, l := range w.every {
		if l.twice {
			return "a token was acknowledged twice"
		}
		last := map[string]int{}
		for _, text := range texts(l.seen) {
			if strings.HasPrefix(text, "connect ") {
				continue
			}
			i := strings.LastIndexByte(text, ' ')
			n, _ := strconv.Atoi(text[i+1:])
			if n <= last[text[:i]] {
				return fmt.Sprintf("on one Link %q came after %d", text, last[text[:i]])
			}
			last[text[:i]] = n
		}
		for _, text := range texts(l.received()) {
			delivered[text]++
		}
	}
	highest := map[string]int{}
	for _, text := range w.order() {
		i := strings.LastIndexByte(text, ' ')
		n, _ := strconv.Atoi(text[i+1:])
		if n < highest[text[:i]] {
			return fmt.Sprintf("%q was seen for the first time after %d", text, highest[text[:i]])
		}
		highest[text[:i]] = n
	}
	missing := 0
	for text, s := range w.sent {
		err, ok := s.by.acked(s.tok)
		switch {
		case !ok:
			return fmt.Sprintf("%q was never settled", text)
		case err == nil && delivered[text] == 0:
			if missing++; missing > w.purged {
				return fmt.Sprintf("%q was acknowledged and lost", text)
			}
		case err == nil && delivered[text] > 1:
			return fmt.Sprintf("%q was delivered %d times", text, delivered[text])
		case err != nil && delivered[text] > 0:
			return fmt.Sprintf("%q was refused with %v, and delivered", text, err)
		}
	}
	return ""
}

// order is every payload in the order in which some peer first saw it.
func (w *world) order() []string {
	seen := map[string]bool{}
	var first []string
	for _, o := range *w.every[0].journal {
		text := string(o.rec.Header().Payload)
		if !o.rec.Header().Type.IsConnect() && !seen[text] {
			seen[text] = true
			first = append(first, text)
		}
	}
	return first
}

func TestOrderAndAcknowledgement(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		ops := rapid.SliceOfN(rapid.Uint32(), 1, 120).Draw(rt, "ops")
		refuse := rapid.SampledFrom([]int{0, 0, 0, 7, 3}).Draw(rt, "refuse")
		fail := rapid.SampledFrom([]int{0, 0, 5}).Draw(rt, "fail")
		apart := rapid.Bool().Draw(rt, "apart")
		var limits buffer.MemoryOptions
		limits.MaxRecords = rapid.SampledFrom([]int{0, 0, 2, 6}).Draw(rt, "Records per lane")
		limits.TotalRecords = rapid.SampledFrom([]int{0, 0, 3, 8}).Draw(rt, "Records in all")
		limits.Overflow = buffer.RefuseNew
		hold := rapid.SampledFrom([]time.Duration{-1, 150 * time.Millisecond, time.Minute}).Draw(rt, "hold")
		var fault string
		synctest.Test(t, func(t *testing.T) { fault = play(t, ops, refuse, fail, apart, limits, hold) })
		if fault != "" {
			rt.Fatal(fault)
		}
	})
}

func play(
	t *testing.T, ops []uint32, refuse, fail int, apart bool, limits buffer.MemoryOptions, hold time.Duration,
) string {
	t.Helper()
	mem, err := buffer.NewMemory(limits)
	if err != nil {
		t.Fatal(err)
	}
	q := &slowQueue{Memory: mem, puts: make(chan func(), 100_000), done: make(chan struct{}), refuse: refuse, fail: fail}
	w := &world{
		mem: mem, apart: apart && limits.TotalRecords == 0, together: limits.TotalRecords > 0,
		ends: []usp.Address{
			{ID: "os::012345-A", Role: usp.RoleAgent},
			{ID: "os::012345-B", Role: usp.RoleAgent},
			{ID: "self::c", Role: usp.RoleController},
			{ID: "self::d", Role: usp.RoleController},
		},
		sent: map[string]sentBy{}, n: map[string]int{},
	}
	w.links = make([][]*link, len(w.ends))
	var routes []routing.Route
	for _, a := range w.ends {
		routes = append(routes, routing.Route{Match: string(a.ID), Role: a.Role, Transit: true})
	}
	w.r = newRouter(t, routing.Options{
		Buffer: q, Routes: routes, WindowRecords: 6, DrainRecords: 5, SpillAfter: 20 * time.Millisecond,
		MaxHold: hold,
	})
	go q.run()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.r.Run(ctx) }()
	for _, op := range ops {
		w.step(t, op)
	}
	w.finish(t)
	if w.fault == "" {
		w.fault = w.check()
	}
	for _, l := range w.every {
		if !l.isDown() {
			l.kill()
		}
	}
	close(q.puts)
	<-q.done // what was under way has been stored
	synctest.Wait()
	cancel()
	<-ended
	return w.fault
}
