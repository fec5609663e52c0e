// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// replies remembers per request where its sender wants the answer, if that is
// not where everything else for it goes [R-MQTT.11, decision 5]. Bounded and
// expiring: what is forgotten goes to the Endpoint's default destination.
type replies struct {
	// count lets Records pass without a look at their msg_id while nothing is
	// remembered.
	count atomic.Int64

	mu     sync.Mutex
	m      map[requestKey]reply
	oldest []requestKey // in the order of their coming, with gaps
}

// requestKey names a request as its answer does, from the answer's side.
type requestKey struct {
	requester, responder usp.EndpointID
	msgID                string
}

type reply struct {
	destination string
	via         string // the Transport in which it means something
	expires     time.Duration
}

// answer notes where the answer to o is wanted, if o is a request with a
// reply address of its own, and finds it if o is an answer.
func (r *Router) answer(p *port, o *out, sender *endpoint, hint mtp.Hint) {
	h := o.rec.Header()
	if hint.ReplyTo != "" && sender != nil {
		p.wantsReply(o, sender, hint.ReplyTo)
	}
	if p.sealed || h.Payload == nil || r.answers.count.Load() == 0 {
		return
	}
	if m, err := usp.PeekMessage(h.Payload); err == nil && (m.IsResponse || m.IsError) {
		key := requestKey{requester: r.canon(h.To), responder: r.canon(h.From), msgID: m.ID}
		if a, ok := r.answers.take(key, o.at); ok {
			o.hint, o.via = mtp.Hint{Destination: a.destination}, a.via
		}
	}
}

// wantsReply keeps the reply address of o. On a Trusted Broker's Link it
// becomes the default of the sender, since the Message is not looked into
// [R-SEC.4c].
func (p *port) wantsReply(o *out, e *endpoint, replyTo string) {
	r, h := p.r, o.rec.Header()
	bound := e.main.destination(p)
	if replyTo == bound {
		return
	}
	if p.sealed {
		if p.who.has(e) {
			_ = p.join(e.addr, mtp.Hint{Destination: replyTo}) // keeps the one before if it fails
		}
		return
	}
	if h.Payload == nil {
		return
	}
	if m, err := usp.PeekMessage(h.Payload); err == nil && m.IsRequest {
		r.answers.keep(requestKey{
			requester: cloneID(r.canon(h.From)),
			responder: cloneID(r.canon(h.To)),
			msgID:     strings.Clone(m.ID),
		}, reply{strings.Clone(replyTo), p.peer.Listener, o.at + r.o.ReplyToTTL}, r.o.ReplyToRecords, o.at)
	}
}

// destination is the default on the Link of p.
func (l *lane) destination(p *port) string {
	if links := l.links.Load(); links != nil {
		for _, b := range *links {
			if b.p == p && b.hint != nil {
				return b.hint.Destination
			}
		}
	}
	return ""
}

// keep stores a, at the expense of the oldest if there are limit already.
func (s *replies) keep(k requestKey, a reply, limit int, now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = make(map[requestKey]reply)
	}
	if _, again := s.m[k]; !again {
		s.oldest = append(s.oldest, k)
	}
	s.m[k] = a
	for len(s.oldest) > 0 {
		first := s.oldest[0]
		have, ok := s.m[first]
		if ok && len(s.m) <= limit && have.expires > now {
			break
		}
		if ok && first == k {
			break // asked again: it is not the oldest any more
		}
		delete(s.m, first)
		s.oldest = s.oldest[1:]
	}
	if len(s.oldest) > 2*limit {
		s.compact()
	}
	s.count.Store(int64(len(s.m)))
}

// compact drops the gaps that answered requests have left.
func (s *replies) compact() {
	kept := make([]requestKey, 0, len(s.m))
	for _, k := range s.oldest {
		if _, ok := s.m[k]; ok {
			kept = append(kept, k)
		}
	}
	s.oldest = kept
}

// take returns the reply address of a request, once.
func (s *replies) take(k requestKey, now time.Duration) (reply, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.m[k]
	if !ok {
		return reply{}, false
	}
	delete(s.m, k)
	s.count.Store(int64(len(s.m)))
	return a, a.expires > now
}
