// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"slices"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// recent are the last Records that went to a Link on which delivered means no
// more than flushed; see Options.Redeliver.
type recent struct{ list []recentRecord }

type recentRecord struct {
	rec       usp.Record
	hint      mtp.Hint
	via       string
	trunk     string
	accepted  time.Duration
	by        *port
	delivered time.Duration
}

// flushedOnly reports that an outcome of nil says nothing about the peer.
func flushedOnly(k mtp.Kind) bool {
	return k == mtp.WebSocket || k == mtp.STOMP || k == mtp.UDS
}

// remember keeps a Record that was delivered directly.
func (l *lane) remember(o *out) {
	r := l.ep.r
	if r.o.Redeliver == 0 || !l.live || l.link == nil || !flushedOnly(l.link.peer.Kind) {
		return
	}
	if l.recent == nil {
		l.recent = &recent{}
	}
	now := r.now()
	rc := l.recent
	rc.list = slices.DeleteFunc(rc.list, func(e recentRecord) bool { return now-e.delivered > r.o.Redeliver })
	if len(rc.list) >= r.o.RedeliverRecords {
		rc.list = slices.Delete(rc.list, 0, 1)
	}
	rc.list = append(rc.list, recentRecord{
		rec: o.rec, hint: o.hint, via: o.via, trunk: o.trunk, accepted: o.at, by: l.link, delivered: now,
	})
}

// spillRecent puts what went to the Link in the last moments into the buffer;
// what is flying follows.
func (l *lane) spillRecent() {
	if l.recent == nil {
		return
	}
	r, list := l.ep.r, l.recent.list
	l.recent = nil
	now := r.now()
	for i := range list {
		if e := &list[i]; now-e.delivered <= r.o.Redeliver && e.by == l.link {
			o := r.newOut()
			o.rec, o.hint, o.via, o.trunk, o.at = e.rec, e.hint, e.via, e.trunk, e.accepted
			o.lane.Store(l)
			l.put(o)
		}
	}
}

// parting has the Records of the last moments sent again if the Link has ended
// otherwise than in good order, which is what a nil cause and ErrDraining say.
func (p *port) parting(cause error) {
	if p.r.o.Redeliver == 0 || orderly(cause) || !flushedOnly(p.peer.Kind) {
		return
	}
	for _, e := range p.who.all() {
		e.eachLane(func(l *lane) {
			var fx effects
			l.mu.Lock()
			l.outcomes(&fx)
			if l.live && l.link == p && l.recent != nil {
				l.spillRecent()
				l.spill(&fx, true)
			}
			l.unlock(&fx)
		})
	}
}
