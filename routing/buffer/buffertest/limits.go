// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package buffertest

import (
	"errors"
	"testing"
	"time"

	"github.com/uspgate/uspgate/routing/buffer"
)

func wantFull(t *testing.T, q buffer.Queue, it buffer.Item) {
	t.Helper()
	if o := put(t, q, it); !errors.Is(o.err, buffer.ErrFull) {
		t.Fatalf("got %v, want ErrFull", o.err)
	}
}

func limitPerLane(t *testing.T, s Suite) {
	t.Helper()
	l := lane(0)
	q := s.New(t, Limits{Records: 2})
	mustPut(t, q, item(l, "1"))
	mustPut(t, q, item(l, "2"))
	wantFull(t, q, item(l, "3"))
	mustPut(t, q, item(lane(2), "another Lane"))
	remove(t, q, l, read(t, q, l, 0, 1)[0].Seq)
	mustPut(t, q, item(l, "4"))
	wantTexts(t, read(t, q, l, 0, 10), "2", "4")

	one := item(l, "x")
	size := int64(one.Record.Len())
	q = s.New(t, Limits{Bytes: 2 * size})
	mustPut(t, q, one)
	mustPut(t, q, one)
	wantFull(t, q, one)
	wantFull(t, q, item(lane(2), string(make([]byte, 2*size))))
}

func limitInTotal(t *testing.T, s Suite) {
	t.Helper()
	q := s.New(t, Limits{TotalRecords: 2})
	mustPut(t, q, item(lane(0), "1"))
	mustPut(t, q, item(lane(2), "2"))
	wantFull(t, q, item(lane(4), "3"))
	if _, err := q.Purge(t.Context(), lane(0)); err != nil {
		t.Fatal(err)
	}
	mustPut(t, q, item(lane(4), "3"))

	one := item(lane(0), "x")
	q = s.New(t, Limits{TotalBytes: int64(one.Record.Len())})
	mustPut(t, q, one)
	wantFull(t, q, item(lane(2), "x"))
}

func limitOfAge(t *testing.T, s Suite) {
	t.Helper()
	q, l := s.New(t, Limits{MaxAge: time.Hour}), lane(0)
	old := item(l, "old")
	old.At = time.Now().Add(-2 * time.Hour)
	mustPut(t, q, old)
	mustPut(t, q, item(l, "young"))
	wantTexts(t, read(t, q, l, 0, 10), "young")
}
