// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package udp

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/uspgate/uspgate/cwmp/connreq/internal/lru"
)

// limiter bounds the messages of each source. Safe for concurrent use.
type limiter struct {
	rate  rate.Limit
	burst int

	mu      sync.Mutex
	sources *lru.Map[netip.Prefix, *rate.Limiter]
}

func newLimiter(o *Options) *limiter {
	return &limiter{
		rate: rate.Limit(o.Rate), burst: o.Burst, sources: lru.New[netip.Prefix, *rate.Limiter](o.MaxSources),
	}
}

// allow counts one message.
func (l *limiter) allow(a netip.Addr, now time.Time) bool {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.sources.Get(p)
	if !ok {
		r = rate.NewLimiter(l.rate, l.burst)
		l.sources.Put(p, r)
	}
	return r.AllowN(now, 1)
}
