// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// The ledger itself finds what it is for.
func TestLedgerFinds(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	at := func(s float64) time.Time { return begin.Add(time.Duration(s * float64(time.Second))) }
	once := func(acked float64) shipment { return shipment{sent: []time.Time{at(0)}, acked: at(acked)} }
	for name, c := range map[string]struct {
		flow  flow
		kills []time.Time
		fails []time.Time
		want  string // part of the only complaint; empty: there is none
	}{
		"nothing": {flow: flow{
			sent: []shipment{once(1), once(1)}, came: []arrival{{1, at(2), at(2)}, {2, at(2), at(2)}},
		}},
		"a loss": {flow: flow{sent: []shipment{once(1)}}, want: "1 Records were acknowledged and are lost: numbers 1"},
		"a loss, reported": {flow: flow{
			sent: []shipment{{sent: []time.Time{at(0)}, acked: at(1), dropped: true}},
		}},
		"a loss at a failure": {
			flow: flow{sent: []shipment{once(1)}}, fails: []time.Time{at(0.5)},
		},
		"a loss after a failure": {
			flow:  flow{sent: []shipment{{sent: []time.Time{at(0.9)}, acked: at(1)}}},
			fails: []time.Time{at(0.5)}, want: "1 Records were acknowledged and are lost: numbers 1",
		},
		"no acknowledgment": {flow: flow{sent: []shipment{{sent: []time.Time{at(0)}}}}},
		"disorder": {flow: flow{
			sent: []shipment{once(1), once(1)}, came: []arrival{{2, at(2), at(2)}, {1, at(2), at(2)}},
		}, want: "number 1 came first after number 2"},
		"a place lost by refusal": {flow: flow{
			sent: []shipment{{sent: []time.Time{at(0), at(1)}, acked: at(2), refused: true}, once(1)},
			came: []arrival{{2, at(2), at(2)}, {1, at(2), at(2)}},
		}},
		"twice": {
			flow:  flow{sent: []shipment{once(1)}, came: []arrival{{1, at(2), at(2)}, {1, at(9), at(9)}}},
			kills: []time.Time{at(4), at(10)}, want: "number 1 came again",
		},
		"twice without any end": {
			flow: flow{sent: []shipment{once(1)}, came: []arrival{{1, at(2), at(2)}, {1, at(2.1), at(2.1)}}},
			want: "number 1 came again",
		},
		"twice around a kill": {
			flow:  flow{sent: []shipment{once(1)}, came: []arrival{{1, at(2), at(2)}, {1, at(9), at(9)}}},
			kills: []time.Time{at(2.5)},
		},
		"twice without acknowledgement": {
			flow: flow{sent: []shipment{once(1)}, came: []arrival{{1, at(2), time.Time{}}, {1, at(9), at(9)}}},
		},
		"twice as it was sent twice": {flow: flow{
			sent: []shipment{{sent: []time.Time{at(0), at(3)}, acked: at(4)}},
			came: []arrival{{1, at(2), at(2)}, {1, at(9), at(9)}},
		}},
		"thrice though sent twice": {flow: flow{
			sent: []shipment{{sent: []time.Time{at(0), at(3)}, acked: at(4)}},
			came: []arrival{{1, at(2), at(2)}, {1, at(9), at(9)}, {1, at(10), at(10)}},
		}, want: "number 1 came again"},
		"twice before it was sent again": {flow: flow{
			sent: []shipment{{sent: []time.Time{at(0), at(12)}, acked: at(13)}},
			came: []arrival{{1, at(2), at(2)}, {1, at(9), at(9)}},
		}, want: "number 1 came again"},
	} {
		l := newLedger()
		l.flows[[2]usp.EndpointID{"a", "b"}] = &c.flow
		l.kills, l.fails = c.kills, c.fails
		_, wrong := l.check(time.Second)
		switch {
		case c.want == "" && len(wrong) > 0:
			t.Errorf("%s: got %q, want no complaint", name, wrong)
		case c.want != "" && (len(wrong) != 1 || !strings.Contains(wrong[0], c.want)):
			t.Errorf("%s: got %q, want one with %q", name, wrong, c.want)
		}
	}
}
