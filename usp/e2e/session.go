// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// Defaults of Options.
const (
	// DefaultMaxRecords and DefaultMaxBytes bound, for each direction, the Records that
	// are kept: those sent, until they are acknowledged, and those that came too early.
	DefaultMaxRecords = 256
	DefaultMaxBytes   = 1 << 20
	// DefaultMaxMessage is how many bytes a Message of several Records may have.
	DefaultMaxMessage = 5 << 20
	// DefaultAskEvery is how long a missing Record is waited for before it is asked for,
	// and asked for again, DefaultMaxAsks times.
	DefaultAskEvery = time.Second
	DefaultMaxAsks  = 5
)

const (
	// margin is how near to its maximum a sequence_id may come [R-E2E.8, R-E2E.9].
	margin = 10_000
	// maxRetired is of how many contexts that are over it is known that they are.
	maxRetired = 8
	// maxLate is how many Records of such contexts in a row show that the other side does
	// not know of the current one.
	maxLate = 3
	// ackEvery is after how many Records without one in the other direction an empty one
	// is sent, that the other side can forget what it has sent.
	ackEvery = 32
	// restBytes is how many bytes of sent Records a Session keeps that rests.
	restBytes = 4 << 10
)

// Why a Session Context was given up: Output.Failure wraps one of them.
var (
	ErrUnknown    = errors.New("a Record of a Session Context that is not known, and not its first")
	ErrExpired    = errors.New("the Session Context has expired")
	ErrValue      = errors.New("session_id or sequence_id is missing")
	ErrGap        = errors.New("too many Records are missing")
	ErrMissing    = errors.New("a missing Record was not sent again")
	ErrRetransmit = errors.New("a Record to be sent again is not there any more, or was sent too often")
	ErrSegments   = errors.New("the segments of a Message are out of order")
	ErrPayload    = errors.New("more than one payload in a plaintext Record")
	ErrTooLarge   = errors.New("the Message is too large")
	ErrSecurity   = errors.New("payload_security has changed")
	ErrCrossed    = errors.New("the other side is in another Session Context")
	ErrIntegrity  = errors.New("the signature of a Record is not valid")
	// ErrTLS: the Record is of Secure Message Exchange. No context was given up; the
	// answer is a DisconnectRecord with 7102.
	ErrTLS = errors.New("secure message exchange is not supported")
)

// Failures of Send.
var (
	// ErrSize: not even one byte of payload fits into a Record of MaxRecordSize.
	ErrSize = errors.New("e2e: MaxRecordSize is too small for a Record")
	// ErrFull: the next try to start a Session Context is not due yet, and no more
	// Messages wait for it.
	ErrFull = errors.New("e2e: too many Messages wait for a Session Context")
)

// Options of a Session. Local and Remote are required, the zero value of everything
// else is a default.
type Options struct {
	Local, Remote usp.EndpointID
	// MaxRecords and MaxBytes bound what is kept for each direction. What was sent longest
	// ago is forgotten for what is newer; what comes too early beyond them ends the
	// context.
	MaxRecords, MaxBytes int
	// MaxMessage bounds a Message that comes in segments, in bytes.
	MaxMessage int
	// AskEvery and MaxAsks say how a missing Record is asked for.
	AskEvery time.Duration
	MaxAsks  int
	// NewID returns a session_id that was not used before, greater than 1 [R-E2E.3]; nil:
	// a random one of 53 bits.
	NewID func() uint64
	// Random returns a number from 0 to 1 by which waiting times differ; nil: math/rand.
	Random func() float64
}

// Settings are what may change while a Session lives: the parameters of E2ESession.
// [TR-181 Device.LocalAgent.Controller.{i}.E2ESession.].
type Settings struct {
	// Version is that of the Records sent; empty: usp.Version.
	Version string
	// MaxRecordSize bounds the whole encoded Record, in bytes; 0: no segmentation.
	MaxRecordSize int
	// MaxRetransmitTries is how often one Record is sent again: -1 without bound, 0 never.
	MaxRetransmitTries int
	// Expiration is after what inactivity the context is over; 0: never [R-E2E.7].
	Expiration time.Duration
	// RetryMin and RetryMultiplier, in thousandths, are m and k of [R-E2E.10]; 0: 5 s and
	// 2000.
	RetryMin        time.Duration
	RetryMultiplier int
}

// Status is that of the Session Context.
type Status string

// The values of Device.LocalAgent.Controller.{i}.E2ESession.Status.
const (
	Up          Status = "Up"          // the other side has sent a Record in it
	Negotiating Status = "Negotiating" // it was, or is to be, started by this side
	Down        Status = "Down"
)

// Session is the Session Contexts of one pair of Endpoints, seen from Local: one at a
// time [R-E2E.5]. It is not safe for concurrent use.
type Session struct {
	o       Options
	set     Settings
	cur     run      // the current context; id 0: there is none
	retired []uint64 // session_ids of contexts that are over
	// crossed is a context that this side had started, and heard nothing of, when the
	// other side started another; id 0: there is none. The other side may have taken it
	// up: then the two change places. Whichever is not used for long is dropped.
	crossed run

	// failures is how often in a row no context could be had [R-E2E.10]; since the time
	// began, and the next try is due at due, zero: none is. Until then held waits.
	failures   int
	began, due time.Time
	held       [][]byte
	heldBytes  int
}

// run is one Session Context.
type run struct {
	id    uint64
	own   bool // started by this side
	heard bool // the other side has sent a Record in it
	used  time.Time
	out   outgoing
	in    incoming
	// first is the Record that has started an own context, until the other is heard; it
	// was sent at.
	first usp.Record
	at    time.Time
	late  int // Records of contexts that are over, since one of this came
}

// Output is what came of a call. The slices are the caller's.
type Output struct {
	// Messages are whole, in order, and handed out once.
	Messages [][]byte
	// Records are to be sent in this order.
	Records []usp.Record
	// Failure is why the current context was given up, nil if it was not. The start of the
	// next one is among the Records, or follows by Tick.
	Failure error
}

// New returns a Session without a Session Context.
func New(o Options) *Session {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.MaxRecords, DefaultMaxRecords)
	def(&o.MaxBytes, DefaultMaxBytes)
	def(&o.MaxMessage, DefaultMaxMessage)
	def(&o.MaxAsks, DefaultMaxAsks)
	if o.AskEvery <= 0 {
		o.AskEvery = DefaultAskEvery
	}
	if o.NewID == nil {
		o.NewID = func() uint64 { return 2 + rand.Uint64N(1<<53-2) }
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	return &Session{o: o}
}

// Configure sets the Settings from now on.
func (s *Session) Configure(set Settings) { s.set = set }

// Status returns that of the context at a time.
func (s *Session) Status(now time.Time) Status {
	switch {
	case s.cur.id != 0 && s.expired(now):
		return Down
	case s.cur.heard:
		return Up
	case s.cur.id != 0 || !s.due.IsZero():
		return Negotiating
	default:
		return Down
	}
}

// Retries is CurrentRetryCount [R-E2E.13].
func (s *Session) Retries() int { return s.failures }

// ID returns the session_id of the current context, 0 if there is none.
func (s *Session) ID() uint64 { return s.cur.id }

// Busy reports whether the Session is in the middle of something that will be over
// soon: part of a Message is there, or a Record is missing, or Messages wait.
func (s *Session) Busy(now time.Time) bool {
	in := &s.cur.in
	return len(in.early) > 0 || len(s.held) > 0 || in.open && now.Sub(s.cur.used) < s.patience()
}

// patience is how long a side may be silent that has something to say.
func (s *Session) patience() time.Duration { return s.o.AskEvery * time.Duration(s.o.MaxAsks+1) }

// Rest has the Session need little memory while nobody uses it: of the Records sent
// only the last are kept.
func (s *Session) Rest() {
	for s.cur.out.bytes > restBytes {
		s.cur.out.forget()
	}
	s.dropCrossed()
}

func (s *Session) expired(now time.Time) bool {
	return s.set.Expiration > 0 && now.Sub(s.cur.used) >= s.set.Expiration
}

// Size is about how many bytes the Session has in memory.
func (s *Session) Size() int {
	size := func(r *run) int { return r.out.bytes + r.in.bytes + cap(r.in.part) }
	return 1024 + size(&s.cur) + size(&s.crossed) + s.heldBytes
}
