// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/internal/fifo"
)

// receipt is a PUBLISH with a Record that has been received and not yet been
// acknowledged.
type receipt struct {
	id   uint16
	qos  byte
	done bool
	err  error
}

// receipts are the unacknowledged PUBLISHes of a peer in the order of their
// receipt, in which they are acknowledged [MQTT-4.6.0-2]. A token is the number
// of its receipt.
type receipts struct {
	first mtp.Token // token of the oldest
	list  fifo.Queue[receipt]
	// unreleased are the ids of QoS 2 whose PUBREC has been written and whose
	// PUBREL has not come [MQTT-4.3.3-10].
	unreleased map[uint16]struct{}
	// parked is how many are never acknowledged on this connection, so that the
	// peer sends them again on the next one.
	parked int
}

// open is how many the peer may count against the Receive Maximum.
func (r *receipts) open() int { return r.list.Len() + len(r.unreleased) + r.parked }

// add returns the token of a new receipt.
func (r *receipts) add(id uint16, qos byte) mtp.Token {
	r.list.Push(receipt{id: id, qos: qos})
	return r.first + mtp.Token(r.list.Len()-1)
}

// settle notes the outcome and reports whether the oldest receipt has one.
func (r *receipts) settle(t mtp.Token, err error) bool {
	if i := t - r.first; t >= r.first && i < mtp.Token(r.list.Len()) {
		p := r.list.At(int(i))
		p.done, p.err = true, err
	}
	return r.due()
}

// due reports whether the oldest receipt has its outcome.
func (r *receipts) due() bool { return r.list.Len() > 0 && r.list.At(0).done }

// next takes the oldest receipt if it has its outcome.
func (r *receipts) next() (receipt, bool) {
	if !r.due() {
		return receipt{}, false
	}
	out := *r.list.At(0)
	r.list.Pop()
	r.first++
	return out, true
}

// repeated reports whether a QoS 2 PUBLISH with this id is one that has been
// received already, and whether its PUBREC has been written.
func (r *receipts) repeated(id uint16) (again, answered bool) {
	if _, answered = r.unreleased[id]; answered {
		return true, true
	}
	for i := range r.list.Len() {
		if p := r.list.At(i); p.id == id && p.qos == 2 {
			return true, false
		}
	}
	return false, false
}

// answered notes that the PUBREC of a receipt says yes.
func (r *receipts) answered(id uint16) {
	if r.unreleased == nil {
		r.unreleased = make(map[uint16]struct{})
	}
	r.unreleased[id] = struct{}{}
}

// release takes a PUBREL; it is false if there is nothing to release.
func (r *receipts) release(id uint16) bool {
	_, ok := r.unreleased[id]
	delete(r.unreleased, id)
	return ok
}
