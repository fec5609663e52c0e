// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// pair is the way of numbered Records: 1, 2, 3 and so on.
type pair struct {
	from, to usp.EndpointID
	largest  int // payload
}

const mark = "numbered"

// record is the Record number n: its bytes follow from the pair and n.
func (p pair) record(n int) usp.Record {
	h := fnv.New64a()
	fmt.Fprint(h, p.from, " ", p.to)
	r := rand.New(rand.NewPCG(h.Sum64(), uint64(n)))
	b := binary.BigEndian.AppendUint64([]byte(mark), uint64(n))
	for size := len(b) + r.IntN(p.largest); len(b) < size; {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
	}
	return usp.NewNoSession(p.from, p.to, "1.4", b)
}

// shipment is what its sender knows of a Record.
type shipment struct {
	sent    []time.Time // each time it was written
	acked   time.Time   // zero: not yet
	refused bool        // it was told, at least once, that it is not taken
	dropped bool        // the gateway has reported that it is lost
}

// arrival is one coming of a Record.
type arrival struct {
	n     int
	at    time.Time
	acked time.Time // when the receiver had written its acknowledgement; zero: never
}

// flow is a pair with what became of its Records.
type flow struct {
	pair

	sent []shipment // that of number n at n-1
	came []arrival
}

// ledger is what the senders and receivers have seen. Safe for concurrent use.
type ledger struct {
	mu    sync.Mutex
	flows map[[2]usp.EndpointID]*flow
	kills []time.Time                    // ends of the gateway
	fails []time.Time                    // when the disk was made to fail, see doubtful
	ends  map[usp.EndpointID][]time.Time // ends of the receiver's connection by its own doing
	wrong []string                       // what should not have come at all

	notes    []string // what may help to understand
	refusals map[refusal]int
	slowest  time.Duration // from sending to a refusal
}

// refusal is how a sender was told that a Record is not taken: by the code of
// the answer, or "closed".
type refusal struct {
	from usp.EndpointID
	how  string
}

func newLedger() *ledger {
	return &ledger{
		flows: make(map[[2]usp.EndpointID]*flow), ends: make(map[usp.EndpointID][]time.Time),
		refusals: make(map[refusal]int),
	}
}

func (l *ledger) open(p pair) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flows[[2]usp.EndpointID{p.from, p.to}] = &flow{pair: p}
}

func (l *ledger) flow(p pair) *flow { return l.flows[[2]usp.EndpointID{p.from, p.to}] }

// next gives the number of a new Record.
func (l *ledger) next(p pair) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.flow(p)
	f.sent = append(f.sent, shipment{})
	return len(f.sent)
}

// sending tells that a Record is about to be written.
func (l *ledger) sending(p pair, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.flow(p).sent[n-1]
	s.sent = append(s.sent, time.Now())
}

func (l *ledger) acked(p pair, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := &l.flow(p).sent[n-1]; s.acked.IsZero() {
		s.acked = time.Now()
	}
}

// refused tells that a Record was answered by how, and not taken.
func (l *ledger) refused(p pair, n int, how string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.flow(p).sent[n-1]
	s.refused = true
	l.refusals[refusal{p.from, how}]++
	l.slowest = max(l.slowest, time.Since(s.sent[len(s.sent)-1]))
}

// arrived notes a Record, and returns what notes its acknowledgement; nil if it
// is none of the numbered ones.
func (l *ledger) arrived(raw []byte) (acknowledged func()) {
	rec, err := usp.NewRecord(bytes.Clone(raw))
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.wrong = append(l.wrong, fmt.Sprintf("a Record that does not parse has come: %v", err))
		return nil
	}
	number, ok := bytes.CutPrefix(rec.Header().Payload, []byte(mark))
	if !ok || len(number) < 8 {
		return nil // a Connect Record, for example
	}
	n := int(binary.BigEndian.Uint64(number))
	f := l.flows[[2]usp.EndpointID{rec.Header().From, rec.Header().To}]
	if f == nil || n < 1 || n > len(f.sent) {
		l.wrong = append(l.wrong, fmt.Sprintf("number %d of %s to %s was never sent", n, rec.Header().From, rec.Header().To))
		return nil
	}
	if want := f.record(n); !bytes.Equal(raw, want.Bytes()) {
		l.wrong = append(l.wrong, fmt.Sprintf("number %d of %s to %s has other bytes", n, f.from, f.to))
	}
	f.came = append(f.came, arrival{n: n, at: time.Now()})
	i := len(f.came) - 1
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		f.came[i].acked = time.Now()
	}
}

// progress counts what a sender has been told so far.
func (l *ledger) progress(from usp.EndpointID) (acked int, refused map[string]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.flows {
		if f.from != from {
			continue
		}
		for _, s := range f.sent {
			if !s.acked.IsZero() {
				acked++
			}
		}
	}
	refused = make(map[string]int)
	for r, n := range l.refusals {
		if r.from == from {
			refused[r.how] = n
		}
	}
	return acked, refused
}

// complain notes what should not have come.
func (l *ledger) complain(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, what)
}

// note keeps what may help to understand.
func (l *ledger) note(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes = append(l.notes, what)
}

// failing tells that the disk is about to be made to fail.
func (l *ledger) failing() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fails = append(l.fails, time.Now())
}

// doubtful reports that a Record was under way when the disk failed, and was
// acknowledged then: an fsync that meets the abort of an ext4 file system returns
// without an error in one of ten cases, and has written nothing. What was sent
// later is not excused.
func (s *shipment) doubtful(fails []time.Time) bool {
	for _, at := range fails {
		if s.sent[0].Before(at.Add(50*time.Millisecond)) && s.acked.After(at) {
			return true
		}
	}
	return false
}

// killed tells that the gateway has been ended.
func (l *ledger) killed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kills = append(l.kills, time.Now())
}

// ended tells that a receiver is about to end its connection.
func (l *ledger) ended(to usp.EndpointID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends[to] = append(l.ends[to], time.Now())
}

// owed counts what is still to be acknowledged, and what was acknowledged and
// has not arrived.
func (l *ledger) owed() (unacked, missing int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.flows {
		came := f.arrivals()
		for i, s := range f.sent {
			switch {
			case s.acked.IsZero():
				unacked++
			case came[i+1] == 0 && !s.dropped && !s.doubtful(l.fails):
				missing++
			}
		}
	}
	return unacked, missing
}

// arrivals counts how often each number has come.
func (f *flow) arrivals() map[int]int {
	came := make(map[int]int, len(f.sent))
	for _, a := range f.came {
		came[a.n]++
	}
	return came
}

// summary is what a run was about.
type summary struct {
	sent, acked, refused, came, twice, repeated, doubtful int
	// late is the longest time from an acknowledgement to the end that explains a
	// second coming.
	late time.Duration
}

func (s summary) String() string {
	return fmt.Sprintf("%d sent, %d acknowledged, %d refused at first, %d sent again; %d came, %d of them not for the "+
		"first time (acknowledged at most %v before an end); %d doubtful ones have not come",
		s.sent, s.acked, s.refused, s.repeated, s.came, s.twice, s.late, s.doubtful)
}

// check holds the promise against the ledger and returns where it is broken.
//
//   - Each Record that was acknowledged has come, or its loss was reported.
//   - First comings of a pair are in the order of the numbers. A Record that was
//     refused may come behind later ones: its sender repeats it.
//   - A Record comes again only if its sender had written it again before, or if
//     the coming before had not been acknowledged, or less than slack before the
//     gateway was killed or the receiver's connection ended.
func (l *ledger) check(slack time.Duration) (summary, []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var sum summary
	wrong := slices.Clone(l.wrong)
	for _, f := range l.flows {
		wrong = append(wrong, f.losses(&sum, l.fails)...)
		wrong = append(wrong, f.disorder()...)
		ends := slices.Concat(l.kills, l.ends[f.to])
		wrong = append(wrong, f.repetitions(&sum, ends, slack)...)
	}
	slices.Sort(wrong)
	return sum, wrong
}

func (f *flow) say(n int, format string, args ...any) string {
	return fmt.Sprintf("%s to %s: number %d ", f.from, f.to, n) + fmt.Sprintf(format, args...)
}

func (f *flow) losses(sum *summary, fails []time.Time) (wrong []string) {
	came := f.arrivals()
	var lost []string
	for i, s := range f.sent {
		sum.sent++
		sum.repeated += max(0, len(s.sent)-1)
		if s.refused {
			sum.refused++
		}
		if s.acked.IsZero() {
			continue
		}
		sum.acked++
		switch {
		case came[i+1] > 0 || s.dropped:
		case s.doubtful(fails):
			sum.doubtful++
		default:
			lost = append(lost, strconv.Itoa(i+1))
		}
	}
	if len(lost) > 0 {
		wrong = append(wrong, fmt.Sprintf("%s to %s: %d Records were acknowledged and are lost: numbers %s",
			f.from, f.to, len(lost), strings.Join(lost[:min(10, len(lost))], " ")))
	}
	return wrong
}

func (f *flow) disorder() (wrong []string) {
	seen, highest := make(map[int]bool, len(f.sent)), 0
	for _, a := range f.came {
		if seen[a.n] {
			continue
		}
		seen[a.n] = true
		if a.n < highest && !f.sent[a.n-1].refused {
			wrong = append(wrong, f.say(a.n, "came first after number %d", highest))
		}
		highest = max(highest, a.n)
	}
	return wrong
}

func (f *flow) repetitions(sum *summary, ends []time.Time, slack time.Duration) (wrong []string) {
	last := make(map[int]arrival, len(f.sent))
	explained := make(map[int]int) // repetitions of the sender that have been taken for one
	for _, a := range f.came {
		sum.came++
		before, again := last[a.n]
		last[a.n] = a
		if !again {
			continue
		}
		sum.twice++
		late, ok := before.unprocessed(ends, a.at, slack)
		if ok {
			sum.late = max(sum.late, late)
			continue
		}
		written := 0
		for _, at := range f.sent[a.n-1].sent {
			if at.Before(a.at) {
				written++
			}
		}
		if explained[a.n]++; explained[a.n] > written-1 {
			wrong = append(wrong, f.say(a.n, "came again though it was acknowledged %v before, with no end of a connection "+
				"within %v (%v at the nearest), and written %d times", a.at.Sub(before.acked), slack, late, written))
		}
	}
	return wrong
}

// never is longer than any test.
const never = 24 * time.Hour

// unprocessed reports whether the gateway may not have processed the
// acknowledgement of a before one of the ends that lie before until: there was
// none, or one at most slack earlier. late is how much earlier at the least.
func (a arrival) unprocessed(ends []time.Time, until time.Time, slack time.Duration) (late time.Duration, ok bool) {
	if a.acked.IsZero() || a.acked.After(until) {
		return 0, true
	}
	late = never
	for _, end := range ends {
		if end.After(a.at) && end.Before(until) {
			late = min(late, max(0, end.Sub(a.acked)))
		}
	}
	return late, late <= slack && late < never
}
