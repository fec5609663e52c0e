// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package udp

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/uspgate/uspgate/cwmp/connreq/internal/lru"
)

// perAddress is how many bindings of one source address are remembered.
const perAddress = 8

// binding is from where a CPE has sent a Binding Request.
type binding struct {
	addr   netip.AddrPort
	socket int       // where it came in, and where a Connection Request goes out
	at     time.Time // of the last request
	marked bool      // with CONNECTION-REQUEST-BINDING
}

// bindings remembers them. Safe for concurrent use.
type bindings struct {
	keep time.Duration

	mu     sync.Mutex
	byAddr *lru.Map[netip.Addr, []binding] // newest first, not shared with readers
	byUser *lru.Map[string, binding]       // of those who have proved it
}

func newBindings(limit int, keep time.Duration) *bindings {
	return &bindings{
		keep: keep, byAddr: lru.New[netip.Addr, []binding](limit), byUser: lru.New[string, binding](limit),
	}
}

// note remembers b; username is empty unless it has been proved.
func (t *bindings) note(b binding, username string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	list, _ := t.byAddr.Get(b.addr.Addr())
	list = slices.DeleteFunc(list, func(o binding) bool { return o.addr == b.addr && o.socket == b.socket })
	if len(list) >= perAddress {
		list = list[:perAddress-1]
	}
	t.byAddr.Put(b.addr.Addr(), slices.Insert(list, 0, b))
	if username != "" {
		t.byUser.Put(username, b)
	}
}

// of returns the binding of a proved user name.
func (t *bindings) of(username string, now time.Time) (b binding, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, ok = t.byUser.Get(username)
	return b, ok && now.Sub(b.at) < t.keep
}

// from returns the bindings of a source address, newest first: those on which a
// CPE says that it listens, or all where none does.
func (t *bindings) from(a netip.Addr, now time.Time) []binding {
	t.mu.Lock()
	defer t.mu.Unlock()
	list, _ := t.byAddr.Get(a)
	var all, marked []binding
	for _, b := range list {
		if now.Sub(b.at) >= t.keep {
			continue
		}
		all = append(all, b)
		if b.marked {
			marked = append(marked, b)
		}
	}
	if len(marked) > 0 {
		return marked
	}
	return all
}
