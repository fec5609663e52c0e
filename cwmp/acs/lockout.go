// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"net/netip"
	"sync"
	"time"
)

// LockoutOptions bounds guesses of passwords. The zero value of a field means its
// default.
type LockoutOptions struct {
	// UserFailures is how often a user name may fail before it is locked out;
	// default 10, negative: never.
	UserFailures int
	// AddressFailures is how often an address may fail, an IPv6 address with all
	// of its /64, before it is locked out; default 50, as many CPE may be behind
	// one, negative: never.
	AddressFailures int
	// First is for how long the first time; each failure after it doubles that.
	// Default 30 s.
	First time.Duration
	// Max is the longest; after as long without a failure all are forgotten.
	// Default 15 min.
	Max time.Duration
	// Entries bounds each of the tables of user names, addresses, and logins that
	// succeeded; default 16,384. Above it one with few failures is forgotten.
	Entries int
}

// lockout counts failures. A user that has logged in from an address is not
// locked out there because of what others do; only its own failures from there
// take that away.
type lockout struct {
	o    LockoutOptions
	tell func(Attempt) // nil: nobody

	mu    sync.Mutex
	users map[string]strikes
	addrs map[netip.Addr]strikes
	good  map[pair]strikes
}

type strikes struct {
	n    int
	last time.Time
}

type pair struct {
	user string
	addr netip.Addr
}

func newLockout(o LockoutOptions) *lockout {
	if o.UserFailures == 0 {
		o.UserFailures = 10
	}
	if o.AddressFailures == 0 {
		o.AddressFailures = 50
	}
	orDefault(&o.First, 30*time.Second)
	orDefault(&o.Max, 15*time.Minute)
	orDefault(&o.Entries, 16_384)
	return &lockout{
		o: o, users: make(map[string]strikes), addrs: make(map[netip.Addr]strikes), good: make(map[pair]strikes),
	}
}

// network is what counts as one address: who has an IPv6 address has a /64.
func network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// wait is how long whoever has s has to wait yet.
func (l *lockout) wait(s strikes, limit int, now time.Time) time.Duration {
	if limit < 0 || s.n < limit {
		return 0
	}
	d := l.o.Max
	if over := s.n - limit; over < 20 {
		d = min(d, l.o.First<<over)
	}
	return d - now.Sub(s.last)
}

// check returns a *LockedError for whoever is locked out.
func (l *lockout) check(c *Claim) error {
	if c.InSession {
		return nil
	}
	addr, now := network(c.Remote.Addr()), time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.good[pair{c.Username, addr}]; ok && c.Username != "" {
		return nil
	}
	wait := max(l.wait(l.users[c.Username], l.o.UserFailures, now), l.wait(l.addrs[addr], l.o.AddressFailures, now))
	if wait <= 0 {
		return nil
	}
	return &LockedError{Wait: wait}
}

// Attempt is a login, as far as it counts for a lockout.
type Attempt struct {
	// Username is empty where the login was by certificate and failed.
	Username string
	// Address is that of the CPE, of IPv6 its /64.
	Address netip.Addr
	// Failed is that it did not succeed.
	Failed bool
}

// Share has tell called with each Attempt that matters to other servers which are
// one with this: those that fail, and the first that succeeds. It must not block,
// and is to be set before the first login. What they tell is for Told.
func (a *Access) Share(tell func(Attempt)) { a.lock.tell = tell }

// Told counts an Attempt at another server. Safe for concurrent use.
func (a *Access) Told(t Attempt) {
	if t.Failed {
		a.lock.fail(t.Username, t.Address)
	} else if t.Username != "" {
		a.lock.succeed(t.Username, t.Address)
	}
}

// failed counts a failure of c.
func (l *lockout) failed(c *Claim) {
	addr := network(c.Remote.Addr())
	l.fail(c.Username, addr)
	if l.tell != nil {
		l.tell(Attempt{Username: c.Username, Address: addr, Failed: true})
	}
}

func (l *lockout) fail(username string, addr netip.Addr) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	strike(l, l.addrs, addr, now)
	if username == "" {
		return
	}
	strike(l, l.users, username, now)
	p := pair{username, addr}
	if s, ok := l.good[p]; ok {
		if s.n++; l.o.UserFailures >= 0 && s.n >= l.o.UserFailures {
			delete(l.good, p)
		} else {
			l.good[p] = s
		}
	}
}

// succeeded forgets what c has failed at.
func (l *lockout) succeeded(c *Claim) {
	if c.Username == "" {
		return
	}
	addr := network(c.Remote.Addr())
	if l.succeed(c.Username, addr) && l.tell != nil {
		l.tell(Attempt{Username: c.Username, Address: addr})
	}
}

// succeed reports whether that changes who is locked out.
func (l *lockout) succeed(username string, addr netip.Addr) bool {
	p := pair{username, addr}
	l.mu.Lock()
	defer l.mu.Unlock()
	s, known := l.good[p]
	if !known {
		makeRoom(l.good, l.o.Entries)
	}
	l.good[p] = strikes{last: time.Now()}
	_, failed := l.users[username]
	delete(l.users, username)
	return !known || failed || s.n > 0
}

func strike[K comparable](l *lockout, m map[K]strikes, k K, now time.Time) {
	s, known := m[k]
	if !known {
		makeRoom(m, l.o.Entries)
	}
	if now.Sub(s.last) > 2*l.o.Max {
		s.n = 0
	}
	m[k] = strikes{n: s.n + 1, last: now}
}

// makeRoom takes one out of a full table: of a few, the one with the fewest
// failures, and of these the oldest. A flood of new names does not wash away one
// that has failed often.
func makeRoom[K comparable](m map[K]strikes, limit int) {
	if len(m) < limit {
		return
	}
	const few = 16
	var victim K
	var least strikes
	i := 0
	for k, s := range m {
		if i == 0 || s.n < least.n || s.n == least.n && s.last.Before(least.last) {
			victim, least = k, s
		}
		if i++; i == few {
			break
		}
	}
	delete(m, victim)
}
