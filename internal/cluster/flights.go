// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import "github.com/uspgate/uspgate/mtp"

// flights are Records on their way to another node, numbered in their order. They
// are under the lock of the Link whose they are.
type flights struct {
	out   []flight // oldest first
	first uint64   // number of out[0]
	bytes int64
	live  int // of out, without outcome
}

type flight struct {
	token mtp.Token
	size  int64
	done  bool
}

// full reports that the window has no room for size bytes more.
func (f *flights) full(o *Options, size int64) bool {
	return f.live > 0 && (f.live >= o.WindowRecords || f.bytes+size > o.WindowBytes)
}

// next is the number that add gives.
func (f *flights) next() uint64 { return f.first + uint64(len(f.out)) }

func (f *flights) add(t mtp.Token, size int64) {
	f.out = append(f.out, flight{token: t, size: size})
	f.live++
	f.bytes += size
}

// settle takes the outcome of a number, which there is once: then it returns the
// token.
func (f *flights) settle(number uint64) (mtp.Token, bool) {
	i := number - f.first
	if i >= uint64(len(f.out)) || f.out[i].done {
		return 0, false
	}
	x := &f.out[i]
	x.done = true
	token := x.token
	f.live--
	f.bytes -= x.size
	n := 0
	for n < len(f.out) && f.out[n].done {
		n++
	}
	f.first += uint64(n)
	if f.out = f.out[n:]; len(f.out) == 0 {
		f.out = nil
	}
	return token, true
}

// end takes all that have no outcome, in order.
func (f *flights) end() []mtp.Token {
	var left []mtp.Token
	for i := range f.out {
		if !f.out[i].done {
			left = append(left, f.out[i].token)
		}
	}
	f.out, f.live, f.bytes = nil, 0, 0
	return left
}
