// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
)

const (
	// transferRest is how long the next block must not have come until another
	// body may take the place.
	transferRest = 10 * time.Second
	// firstBuffer is the least that is allocated for a body in blocks.
	firstBuffer = 4 << 10
)

// transferKey names a body in blocks: the peer, the resource with its query,
// and the Request-Tag [RFC 7959 2.5, RFC 9175 3.3].
type transferKey struct {
	way  way
	hash uint64
}

// transfer is a body of which not all blocks have come.
type transfer struct {
	n     *node
	key   transferKey
	body  []byte
	last  time.Time // of the latest block
	timer timer
}

// transfers are all of a node.
type transfers struct {
	seed   maphash.Seed
	m      map[transferKey]*transfer
	byAddr map[netip.Addr]int
}

func (t *transfers) init(seed maphash.Seed) {
	t.seed = seed
	t.m, t.byAddr = make(map[transferKey]*transfer), make(map[netip.Addr]int)
}

// keyOf is the key of the body that a block belongs to.
func (t *transfers) keyOf(w way, opts message.Options) transferKey {
	var h maphash.Hash
	h.SetSeed(t.seed)
	for i := range opts {
		if id := opts[i].ID; id == message.URIPath || id == message.URIQuery || id == requestTag {
			_, _ = h.Write([]byte{byte(id), byte(len(opts[i].Value))}) // never fails
			_, _ = h.Write(opts[i].Value)
		}
	}
	return transferKey{w, h.Sum64()}
}

// assemble takes a block. The body is complete if code is 0; otherwise code is
// the answer, 2.31 for one that is followed by others [RFC 7959 2.9].
func (n *node) assemble(w way, m *message.Message, b block) (body []byte, code codes.Code) {
	if b.szx == szxReserved || b.more && len(m.Payload) != b.size() || len(m.Payload) > b.size() {
		return nil, codes.BadRequest
	}
	if size, ok := uintValue(m.Options, message.Size1); ok && int64(size) > int64(n.opts.MaxRecord) {
		return nil, codes.RequestEntityTooLarge // [RFC 7959 2.9.3]
	}
	key := n.transfers.keyOf(w, m.Options)
	t := n.transfers.m[key]
	if b.num == 0 {
		if !b.more {
			n.drop(t)
			return n.whole(m.Payload)
		}
		if t == nil {
			if t = n.newTransfer(key); t == nil {
				return nil, codes.ServiceUnavailable
			}
		}
		t.body = t.body[:0]
	}
	if t == nil || b.offset() > len(t.body) {
		return nil, codes.RequestEntityIncomplete // never silently: [RFC 7959 2.9.2]
	}
	if b.offset() == len(t.body) { // otherwise it has come before
		if code := t.append(m.Payload); code != 0 {
			n.drop(t)
			return nil, code
		}
	}
	if b.more {
		t.last = time.Now()
		n.clock.arm(&t.timer, t, n.opts.TransferTimeout)
		return nil, codes.Continue
	}
	body = t.body
	n.held += cap(body) // until the router has it
	n.drop(t)
	return body, 0
}

// whole takes a body that comes in one piece.
func (n *node) whole(payload []byte) ([]byte, codes.Code) {
	if len(payload) > n.opts.MaxRecord {
		return nil, codes.RequestEntityTooLarge
	}
	if n.held+len(payload) > n.opts.MaxReassembly {
		return nil, codes.ServiceUnavailable
	}
	body := slices.Clone(payload)
	n.held += cap(body)
	return body, 0
}

// newTransfer begins a body, nil if there is no room for one.
func (n *node) newTransfer(key transferKey) *transfer {
	ts, addr := &n.transfers, key.way.addr.Addr()
	if ts.byAddr[addr] >= n.opts.MaxTransfersPerPeer && !n.dropResting(addr) {
		return nil
	}
	if len(ts.m) >= n.opts.MaxTransfers && !n.dropResting(netip.Addr{}) {
		return nil
	}
	t := &transfer{n: n, key: key}
	ts.m[key] = t
	ts.byAddr[addr]++
	return t
}

// dropResting makes room at the expense of the body that has rested for
// longest, of that address if it is valid; false if none has for long enough.
func (n *node) dropResting(addr netip.Addr) bool {
	var oldest *transfer
	for _, t := range n.transfers.m {
		if addr.IsValid() && t.key.way.addr.Addr() != addr {
			continue
		}
		if oldest == nil || t.last.Before(oldest.last) {
			oldest = t
		}
	}
	if oldest == nil || time.Since(oldest.last) < transferRest {
		return false
	}
	n.drop(oldest)
	return true
}

// append adds a block. The buffer grows with what has come, never with what
// was promised.
func (t *transfer) append(payload []byte) codes.Code {
	n, need := t.n, len(t.body)+len(payload)
	if need > n.opts.MaxRecord {
		return codes.RequestEntityTooLarge
	}
	if need > cap(t.body) {
		grown := max(firstBuffer, min(2*cap(t.body), n.opts.MaxRecord), need)
		if n.held+grown-cap(t.body) > n.opts.MaxReassembly {
			return codes.ServiceUnavailable
		}
		n.held += grown - cap(t.body)
		body := make([]byte, len(t.body), grown)
		copy(body, t.body)
		t.body = body
	}
	t.body = append(t.body, payload...)
	return 0
}

// expire implements expirer: the next block did not come.
func (t *transfer) expire(*effects) { t.n.drop(t) }

// drop forgets a body.
func (n *node) drop(t *transfer) {
	if t == nil || n.transfers.m[t.key] != t {
		return
	}
	n.clock.disarm(&t.timer)
	n.held -= cap(t.body)
	t.body = nil
	delete(n.transfers.m, t.key)
	addr := t.key.way.addr.Addr()
	if n.transfers.byAddr[addr]--; n.transfers.byAddr[addr] == 0 {
		delete(n.transfers.byAddr, addr)
	}
}
