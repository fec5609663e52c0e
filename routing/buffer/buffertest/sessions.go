// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package buffertest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// inSession is a Record of a session context.
func inSession(t *testing.T, l buffer.Lane, session, seq byte, at time.Time) buffer.Item {
	t.Helper()
	body := []byte{0x08, session, 0x10, seq, 0x18, 1, 0x3a, 1, '0' + seq} // ids, expected_id, payload
	plain := usp.NewDisconnect("self::controller.x", l.To.ID, "", 0)
	b := plain.Bytes()
	b = append(slices.Clone(b[:len(b)-2]), append([]byte{8<<3 | 2, byte(len(body))}, body...)...)
	rec, err := usp.NewRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	if h := rec.Header(); h.Type != usp.RecordSession || h.SessionID != uint64(session) {
		t.Fatalf("the fixture is %+v, want a Record of session %d", h, session)
	}
	return buffer.Item{Lane: l, Record: rec, At: at}
}

func sequences(items []buffer.Item) []string {
	var got []string
	for i := range items {
		h := items[i].Record.Header()
		if h.Type == usp.RecordSession {
			got = append(got, fmt.Sprintf("%d/%d", h.SessionID, h.SequenceID))
		} else {
			got = append(got, string(h.Payload))
		}
	}
	return got
}

func expiryEndsASession(t *testing.T, s Suite) {
	t.Helper()
	q, l := s.New(t, Limits{MaxAge: time.Hour}), lane(0)
	now := time.Now()
	expires := time.After(1100 * time.Millisecond)
	mustPut(t, q, inSession(t, l, 5, 1, now.Add(time.Second-time.Hour)))
	mustPut(t, q, inSession(t, l, 5, 2, now))
	mustPut(t, q, item(l, "plain"))
	mustPut(t, q, inSession(t, l, 6, 1, now))
	mustPut(t, q, inSession(t, l, 5, 3, now))
	<-expires
	if got, want := sequences(read(t, q, l, 0, 10)), []string{"plain", "6/1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q: a session without its beginning is of no use", got, want)
	}
}

func dropOldestSparesSessions(t *testing.T, s Suite) {
	t.Helper()
	q, l := s.New(t, Limits{Records: 3, Overflow: buffer.DropOldest}), lane(0)
	now := time.Now()
	mustPut(t, q, inSession(t, l, 5, 1, now))
	mustPut(t, q, item(l, "a"))
	mustPut(t, q, item(l, "b"))
	mustPut(t, q, inSession(t, l, 5, 2, now))
	mustPut(t, q, inSession(t, l, 5, 3, now))
	if got, want := sequences(read(t, q, l, 0, 10)), []string{"5/1", "5/2", "5/3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	wantFull(t, q, item(l, "c"))
}
