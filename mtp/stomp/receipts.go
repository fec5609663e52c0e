// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/internal/fifo"
)

// receipt is a frame that has been received and whose RECEIPT, if it has asked
// for one, is due when its outcome is known.
type receipt struct {
	id    string
	asked bool
	done  bool
	err   error
}

// receipts are such frames in the order in which they came. Their RECEIPTs are
// written in that order, because each tells that all frames before it have been
// received [STOMP 1.2, RECEIPT]. A token is the number of its receipt.
type receipts struct {
	first mtp.Token // token of the oldest
	list  fifo.Queue[receipt]
}

// add returns the token of a new receipt.
func (r *receipts) add(p receipt) mtp.Token {
	r.list.Push(p)
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
