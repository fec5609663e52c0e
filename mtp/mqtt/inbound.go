// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import "github.com/uspgate/uspgate/mtp"

// receipt is a PUBLISH with a Record that has been received and not yet been
// acknowledged.
type receipt struct {
	id   uint16
	qos  byte
	done bool
	err  error
}

// receipts are the unacknowledged PUBLISHes of a client in the order of their
// receipt, in which PUBACKs are written [MQTT-4.6.0-2]. A token is the number of
// its receipt.
type receipts struct {
	first mtp.Token // token of list[0]
	list  []receipt
}

// add returns the token of a new receipt.
func (r *receipts) add(id uint16, qos byte) mtp.Token {
	r.list = append(r.list, receipt{id: id, qos: qos})
	return r.first + mtp.Token(len(r.list)-1)
}

// settle notes the outcome and reports whether the oldest receipt has one.
func (r *receipts) settle(t mtp.Token, err error) bool {
	if i := t - r.first; t >= r.first && int(i) < len(r.list) {
		r.list[i].done, r.list[i].err = true, err
	}
	return len(r.list) > 0 && r.list[0].done
}

// next takes the oldest receipt if it has its outcome.
func (r *receipts) next() (receipt, bool) {
	if len(r.list) == 0 || !r.list[0].done {
		return receipt{}, false
	}
	out := r.list[0]
	r.list = r.list[1:]
	r.first++
	if len(r.list) == 0 {
		r.list = nil
	}
	return out, true
}
