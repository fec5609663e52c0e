// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/uspgate/uspgate/usp"
)

// Holds reports whether something of an address is here, or is being written.
func (q *SharedQueue) Holds(to usp.Address) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.owned[to] != nil
}

// Lose has the store lose the batch in which an item is, once the mark says that it
// was there.
func (q *SharedQueue) Lose(ctx context.Context, to usp.Address, seq uint64) error {
	for {
		mark, err := q.mark(ctx, to)
		if err != nil {
			return err
		}
		if mark.high >= seq>>shelfShift {
			break
		}
	}
	return q.data.SecureDeleteMsg(ctx, seq>>shelfShift)
}

// Spoil has an item of a batch be damaged, by what is kept of where it is.
func (q *SharedQueue) Spoil(seq uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, lane := range q.g.Lanes() {
		entries := q.g.Line(lane).Entries()
		if i := search(entries, seq); i < len(entries) && entries[i].Seq == seq {
			entries[i].Ref.off++
		}
	}
}

// Garble has the store have an altered copy of the batch in which an item is, behind the
// last one.
func (q *SharedQueue) Garble(ctx context.Context, seq uint64) error {
	m, err := q.data.GetMsg(ctx, seq>>shelfShift)
	if err != nil {
		return err
	}
	last, err := q.data.GetLastMsgForSubject(ctx, m.Subject)
	if err != nil {
		return err
	}
	m.Data[len(m.Data)-1] ^= 1
	_, err = q.e.js.PublishMsg(ctx, &nats.Msg{Subject: m.Subject, Data: m.Data},
		jetstream.WithExpectLastSequencePerSubject(last.Sequence))
	return err
}
