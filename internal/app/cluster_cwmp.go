// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/cwmp/connreq/udp"
	"github.com/uspgate/uspgate/internal/cluster"
)

// What nodes tell and ask each other about CPE. Where it gets lost a node does what
// it would do alone.
const (
	newsAttempt = "attempt" // a login: acs.Attempt
	newsAwaited = "awaited" // somebody waits for a CPE: its key
	newsFound   = "found"   // what a session has shown: acs.Finding
	askUDP      = "udp"     // who hears of a CPE by UDP: udpQuestion
)

// tell tells the other nodes v as JSON.
func (a *App) tell(topic string, v any) {
	if data, err := json.Marshal(v); err == nil { // all of them can be
		a.node.Tell(topic, data)
	}
}

// hear has f called with what another node tells of a topic.
func hear[T any](n *cluster.Node, topic string, f func(T)) {
	n.Hear(topic, func(data []byte) {
		var v T
		if json.Unmarshal(data, &v) == nil {
			f(v)
		}
	})
}

// shareSessions has o do as if all sessions were opened at this node: failed logins
// count together, CPE that somebody waits for at another node are expected here,
// and what a session has shown at one node is known at all.
func (a *App) shareSessions(o *acs.Options) {
	if access, ok := o.Auth.(*acs.Access); ok {
		access.Share(func(t acs.Attempt) { a.tell(newsAttempt, t) })
		hear(a.node, newsAttempt, access.Told)
	}
	awaited := newAwaited()
	hear(a.node, newsAwaited, awaited.add)
	here := o.Expected
	o.Expected = func(h acs.Hint) bool { return here(h) || awaited.has(h.Device) }
	found := o.Found
	hear(a.node, newsFound, func(f acs.Finding) {
		if f.Kind == acs.FoundInformLoop || f.Kind == acs.FoundCookieless {
			found(f)
		}
	})
	o.Found = func(f acs.Finding) {
		if f.Kind != acs.FoundConflict { // which is the owner's to judge
			a.tell(newsFound, acs.Finding{Kind: f.Kind, Device: f.Device})
		}
		found(f)
	}
}

// awaiting is for connreq.WakerOptions.Waking.
func (a *App) awaiting() func(key string) {
	if a.node == nil {
		return nil
	}
	return func(key string) { a.tell(newsAwaited, key) }
}

const (
	// awaitedTime is for how long a CPE is awaited since it was last woken: longer
	// than one wake, and whoever waits longer has it woken again.
	awaitedTime = 5 * time.Minute
	// maxAwaited bounds those of other nodes.
	maxAwaited = 20_000
)

// awaited are the CPE that somebody at another node waits for. Safe for concurrent
// use.
type awaited struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func newAwaited() *awaited { return &awaited{until: make(map[string]time.Time)} }

// add notes a CPE by the key that it has for a Waker.
func (w *awaited) add(key string) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.until[key]; !known && len(w.until) >= maxAwaited {
		for k, until := range w.until {
			if until.Before(now) {
				delete(w.until, k)
			}
		}
		if len(w.until) >= maxAwaited {
			return
		}
	}
	w.until[key] = now.Add(awaitedTime)
}

func (w *awaited) has(id cwmp.DeviceID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.until) == 0 {
		return false
	}
	key := id.Key().String()
	until, known := w.until[key]
	if known && until.Before(time.Now()) {
		delete(w.until, key)
		return false
	}
	return known
}

// udpAnywhere sends UDP Connection Requests from every node that has heard of the
// CPE: a NAT lets nothing in but what comes from the socket that the CPE talks to.
type udpAnywhere struct {
	here *udp.Server
	node *cluster.Node
}

var _ connreq.Requester = (*udpAnywhere)(nil)

// udpQuestion asks for a Connection Request, or, without a Login, whether there
// could be one.
type udpQuestion struct {
	CPE   connreq.CPE
	Login *connreq.Login `json:",omitempty"`
}

// How long the other nodes are waited for.
const (
	udpReachTime   = time.Second
	udpRequestTime = 3 * time.Second
)

// udpWay is s, for all nodes if there are several.
func (a *App) udpWay(s *udp.Server) connreq.Requester {
	if a.node == nil {
		return s
	}
	w := &udpAnywhere{s, a.node}
	a.node.Answer(askUDP, w.answer)
	return w
}

// Reaches implements connreq.Requester.
func (w *udpAnywhere) Reaches(c *connreq.CPE) bool {
	if w.here.Reaches(c) {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), udpReachTime)
	defer cancel()
	return len(w.ask(ctx, &udpQuestion{CPE: *c})) > 0
}

// Request implements connreq.Requester.
func (w *udpAnywhere) Request(ctx context.Context, c *connreq.CPE, l connreq.Login) (string, error) {
	var elsewhere [][]byte
	var group sync.WaitGroup
	group.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, udpRequestTime)
		defer cancel()
		elsewhere = w.ask(ctx, &udpQuestion{CPE: *c, Login: &l})
	})
	to, err := w.here.Request(ctx, c, l)
	group.Wait()
	if len(elsewhere) == 0 {
		return to, err //nolint:wrapcheck // as the udp.Server has it
	}
	all := make([]string, 0, 1+len(elsewhere))
	if err == nil {
		all = append(all, to)
	}
	for _, e := range elsewhere {
		all = append(all, string(e))
	}
	return strings.Join(all, " "), nil
}

func (w *udpAnywhere) ask(ctx context.Context, q *udpQuestion) [][]byte {
	q.CPE.Logins = nil
	data, err := json.Marshal(q)
	if err != nil {
		return nil
	}
	return w.node.Ask(ctx, askUDP, data)
}

// answer is for another node: to whom the request went, if this one has heard of the
// CPE.
func (w *udpAnywhere) answer(ctx context.Context, data []byte) []byte {
	var q udpQuestion
	if json.Unmarshal(data, &q) != nil || !w.here.Heard(&q.CPE) {
		return nil
	}
	if q.Login == nil {
		return []byte{}
	}
	to, err := w.here.Request(ctx, &q.CPE, *q.Login)
	if err != nil {
		return nil
	}
	return []byte(to)
}
