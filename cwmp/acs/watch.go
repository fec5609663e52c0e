// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"hash/maphash"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/uspgate/uspgate/cwmp"
)

// Box is one of the boxes that have the same DeviceID, as far as can be told.
type Box struct {
	Remote      netip.AddrPort
	Username    string
	Certificate string // SHA-256 of it in hex; empty: none
	MAC         string // the parameter of the Inform that has it, and its value; empty: none
}

// Conflict are two boxes with the same DeviceID [quirk 27].
type Conflict struct {
	Boxes [2]Box
	Since time.Time // when it was found
}

// differs reports whether a and b can not be one box, whatever its address.
func (a *Box) differs(b *Box) bool {
	if a.Username != b.Username && a.Username != "" && b.Username != "" ||
		a.Certificate != b.Certificate && a.Certificate != "" && b.Certificate != "" {
		return true
	}
	pa, va, _ := strings.Cut(a.MAC, "=")
	pb, vb, _ := strings.Cut(b.MAC, "=")
	return pa == pb && va != vb
}

// same reports whether b looks as a does, the port aside.
func (a *Box) same(b *Box) bool {
	return !a.differs(b) && network(a.Remote.Addr()) == network(b.Remote.Addr())
}

// macOf finds a MAC address that is the box's own: not that of one of its hosts.
func macOf(in *cwmp.Inform) string {
	for i := range in.Params {
		name := in.Params[i].Name
		if !strings.HasSuffix(name, "MACAddress") {
			continue
		}
		for _, own := range []string{
			".WANEthernetInterfaceConfig.", ".LANEthernetInterfaceConfig.1.", ".Ethernet.Interface.1.", ".DeviceInfo.",
		} {
			if strings.Contains(name, own) {
				return name + "=" + strings.ToLower(strings.TrimSpace(in.Params[i].Value))
			}
		}
	}
	return ""
}

// Bounds of what a watch concludes from.
const (
	// loopInforms is from which identical Inform on it is a loop [quirk 41].
	loopInforms = 5
	// loopPause is after how long without an Inform a count of them begins anew.
	loopPause = time.Hour
	// conflictScore is what it takes to be sure.
	conflictScore = 2
	// flapping bounds the time between two boxes that differ by their address only.
	flapping = 10 * time.Minute
	// overlapAfter is how old a session must be for the POST of one that it has
	// replaced to be more than late.
	overlapAfter = time.Second
)

// watch remembers of each device what only several sessions show.
type watch struct {
	limit  int
	window time.Duration // of the evidence of a conflict
	seed   maphash.Seed

	mu     sync.Mutex
	traces map[uint64]*trace
}

// trace is what is remembered of one device.
type trace struct {
	seen time.Time // latest Inform

	inform  uint64 // hash of the latest
	repeats int    // of it, with nothing between
	looping bool

	box, before Box  // latest, and the one that it took over from
	back        bool // there is one before
	switched    time.Time
	score       int
	scored      time.Time
	conflict    *Conflict
}

func newWatch(limit int, window time.Duration) *watch {
	return &watch{limit: limit, window: window, seed: maphash.MakeSeed(), traces: make(map[uint64]*trace)}
}

// of returns the trace of a device; w.mu is held. One too many takes the place of
// one of a few that was seen least lately.
func (w *watch) of(id cwmp.DeviceID, create bool) *trace {
	key := maphash.Comparable(w.seed, id)
	t := w.traces[key]
	if t != nil || !create {
		return t
	}
	if len(w.traces) >= w.limit {
		var victim uint64
		var oldest time.Time
		i := 0
		for k, t := range w.traces {
			if i == 0 || t.seen.Before(oldest) {
				victim, oldest = k, t.seen
			}
			if i++; i == 16 {
				break
			}
		}
		delete(w.traces, victim)
	}
	t = new(trace)
	w.traces[key] = t
	return t
}

// noted is what an Inform has shown.
type noted struct {
	looping, begins bool      // it is in a loop, since now
	conflict        *Conflict // nil: none
	found           bool      // since now
}

// informed notes that s opens, in place of prev if that is not nil.
func (w *watch) informed(s *session, in *cwmp.Inform, prev *session) (n noted) {
	now := time.Now()
	hash := w.hash(in)
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.of(s.device, true)
	if t.inform != hash || now.Sub(t.seen) > loopPause {
		t.inform, t.repeats = hash, 0
	}
	t.seen = now
	t.repeats++
	if t.repeats >= loopInforms && !t.looping {
		t.looping, n.begins = true, true
	}
	n.looping = t.looping
	n.conflict, n.found = t.took(&s.box, in.RetryCount, prev, now, w.window)
	return n
}

func (w *watch) hash(in *cwmp.Inform) uint64 {
	var h maphash.Hash
	h.SetSeed(w.seed)
	for i := range in.Events {
		_, _ = h.WriteString(in.Events[i].Code)
		_ = h.WriteByte(0)
		_, _ = h.WriteString(in.Events[i].CommandKey)
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

// went notes that something has come after the Inform of a session, or that it has
// had no answer that could end a loop.
func (w *watch) went(id cwmp.DeviceID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.of(id, false); t != nil {
		t.repeats = 0
	}
}

// recovered notes that a loop has ended. From now on it is for the owner to say how
// the CPE is answered.
func (w *watch) recovered(id cwmp.DeviceID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.of(id, false); t != nil {
		t.looping = false
	}
}

// took notes which box has informed; prev is the open session that it has
// replaced, if any. A box that comes back after another had its place is evidence:
// two boxes take turns, while a box that has a new address does not go back to the
// old one. Where only the address alternates there must be more: that the sessions
// interrupt each other at once, and not because one box tries again.
func (t *trace) took(b *Box, retry uint32, prev *session, now time.Time, window time.Duration) (*Conflict, bool) {
	if t.conflict != nil && now.Sub(t.scored) > window {
		t.conflict, t.score = nil, 0
	}
	switch {
	case t.switched.IsZero():
		t.box, t.switched = b.clone(), now
		return nil, false
	case t.box.same(b):
		t.box.update(b)
		return t.conflict, false
	}
	found := false
	if t.back && t.before.same(b) {
		switch gap := now.Sub(t.switched); {
		case t.box.differs(b):
			found = gap <= window && t.evidence(conflictScore, &t.box, b, now, window)
		case prev != nil && retry <= prev.retry:
			found = gap <= flapping && t.evidence(1, &t.box, b, now, window)
		}
	}
	t.before, t.box, t.switched, t.back = t.box, b.clone(), now, true
	return t.conflict, found
}

// evidence adds to the score, and reports whether that is a new conflict.
func (t *trace) evidence(n int, a, b *Box, now time.Time, window time.Duration) bool {
	if now.Sub(t.scored) > window {
		t.score = 0
	}
	t.score += n
	t.scored = now
	if t.score < conflictScore || t.conflict != nil {
		return false
	}
	t.conflict = &Conflict{Boxes: [2]Box{a.clone(), b.clone()}, Since: now}
	return true
}

// overlapped notes that a box goes on with a session that another has replaced.
func (w *watch) overlapped(id cwmp.DeviceID, b *Box) (c *Conflict, found bool) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.of(id, false)
	if t == nil || t.box.same(b) || now.Sub(t.switched) < overlapAfter {
		return nil, false
	}
	found = t.evidence(conflictScore, &t.box, b, now, w.window)
	return t.conflict, found
}

// update takes what b says that a did not.
func (a *Box) update(b *Box) {
	a.Remote = b.Remote
	if b.Username != "" && a.Username != b.Username {
		a.Username = strings.Clone(b.Username)
	}
	if b.Certificate != "" {
		a.Certificate = b.Certificate
	}
	if b.MAC != "" && a.MAC != b.MAC {
		a.MAC = strings.Clone(b.MAC)
	}
}

// clone copies what shares the memory of an Inform.
func (a *Box) clone() Box {
	b := *a
	b.Username, b.MAC = strings.Clone(a.Username), strings.Clone(a.MAC)
	return b
}
