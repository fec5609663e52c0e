// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"
)

// stream is an ordered channel of frames in each direction between two nodes, made
// of numbered messages of the Bus. What is written while messages are under way
// goes into one, and a frame that is larger than a message into several. If one
// is lost the stream is over.
type stream struct {
	bus     Bus
	to      string // on the Bus
	service string
	id      uint64
	timeout time.Duration
	frame   func([]byte) error // called with each frame that comes, which is its to keep
	over    func(error)        // called once, from any goroutine

	mu     sync.Mutex
	room   sync.Cond
	buf    []byte // frames that are to go
	flying int    // messages
	ended  bool

	in     sync.Mutex // one message at a time; it comes before mu
	next   uint64     // number of the message that is due
	rest   []byte     // the begin of a frame
	open   bool       // frames may be given out
	early  []byte     // what came before that
	failed bool
}

const (
	// streamFlying is how many messages of a stream are under way.
	streamFlying = 4
	// streamChunk is how much goes into one message at most.
	streamChunk = 512 << 10
	// streamAgain is the pause while the Bus takes nothing.
	streamAgain = 50 * time.Millisecond
	// streamHead is room for what is in a message beside frames.
	streamHead = 32
	// maxFrame bounds one frame: a Record, or a SOAP envelope, with what belongs to it.
	maxFrame = 80 << 20
	// maxEarly bounds what may come before the stream is open here.
	maxEarly = 16 << 20
)

// The first byte of a request to a service that has streams, and of the answer.
const (
	msgHello = 'H'
	msgData  = 'D'
	answerOK = 'A'
	answerNo = 'N'
)

var (
	errStreamGap   = errors.New("cluster: a message is missing")
	errStreamGone  = errors.New("cluster: the other node does not know the stream")
	errStreamFrame = errors.New("cluster: a frame does not parse")
)

func (s *stream) init() { s.room.L = &s.mu }

// write appends one frame, which f encodes. It does not block.
func (s *stream) write(f func([]byte) []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	at := len(s.buf)
	s.buf = append(s.buf, 0, 0, 0, 0)
	s.buf = f(s.buf)
	binary.BigEndian.PutUint32(s.buf[at:], uint32(len(s.buf)-at-4))
	s.room.Signal()
	return true
}

// send sends what is written until the stream ends.
func (s *stream) send() {
	limit := min(streamChunk, s.bus.MaxPayload()-streamHead)
	var spare, message []byte
	number := uint64(0)
	for {
		s.mu.Lock()
		for !s.ended && len(s.buf) == 0 {
			s.room.Wait()
		}
		buf := s.buf
		s.buf = spare[:0]
		s.mu.Unlock()
		for at := 0; at < len(buf); {
			if !s.takeRoom() {
				return
			}
			end := min(at+limit, len(buf))
			message = append(message[:0], msgData)
			message = binary.BigEndian.AppendUint64(message, s.id)
			message = binary.AppendUvarint(message, number)
			message = append(message, buf[at:end]...)
			number, at = number+1, end
			if err := s.dispatch(message); err != nil {
				s.end(err)
				return
			}
		}
		if spare = buf; cap(spare) > 2*streamChunk {
			spare = nil
		}
		s.mu.Lock()
		ended := s.ended
		s.mu.Unlock()
		if ended {
			return
		}
	}
}

// dispatch sends one message; while the Bus is not connected it tries again.
func (s *stream) dispatch(message []byte) error {
	deadline := time.Now().Add(s.timeout)
	for {
		err := s.bus.Send(s.to, s.service, message, s.timeout, s.sent)
		if !errors.Is(err, ErrBusClosed) && !errors.Is(err, ErrBusBusy) || time.Now().After(deadline) {
			return err //nolint:wrapcheck // the cause of the end
		}
		<-time.After(streamAgain)
		s.mu.Lock()
		ended := s.ended
		s.mu.Unlock()
		if ended {
			return err //nolint:wrapcheck // the cause of the end
		}
	}
}

// takeRoom waits until one more message may be under way.
func (s *stream) takeRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.ended && s.flying >= streamFlying {
		s.room.Wait()
	}
	s.flying++
	return !s.ended
}

func (s *stream) sent(reply []byte, err error) {
	if err == nil && (len(reply) == 0 || reply[0] != answerOK) {
		err = errStreamGone
	}
	s.mu.Lock()
	s.flying--
	s.room.Signal()
	s.mu.Unlock()
	if err != nil {
		s.end(err)
	}
}

// end ends the stream.
func (s *stream) end(cause error) {
	s.mu.Lock()
	was := s.ended
	s.ended = true
	s.buf = nil
	s.mu.Unlock()
	s.room.Broadcast()
	if !was {
		s.over(cause)
	}
}

// dataOf takes a message apart.
func dataOf(message []byte) (id, number uint64, data []byte, ok bool) {
	if len(message) < 9 {
		return 0, 0, nil, false
	}
	id = binary.BigEndian.Uint64(message[1:])
	number, n := binary.Uvarint(message[9:])
	if n <= 0 {
		return 0, 0, nil, false
	}
	return id, number, message[9+n:], true
}

// receive takes a message of the other side; it may keep data.
func (s *stream) receive(number uint64, data []byte) bool {
	s.in.Lock()
	defer s.in.Unlock()
	if s.failed {
		return false
	}
	err := error(nil)
	switch {
	case number != s.next:
		err = errStreamGap
	case !s.open && len(s.early)+len(data) > maxEarly:
		err = errStreamFrame
	case !s.open:
		s.early = append(s.early, data...)
	default:
		err = s.frames(data)
	}
	s.next++
	if err != nil {
		s.failed = true
		s.end(err)
	}
	return err == nil
}

// begin gives out frames from now on.
func (s *stream) begin() {
	s.in.Lock()
	defer s.in.Unlock()
	s.open = true
	early := s.early
	s.early = nil
	if err := s.frames(early); err != nil {
		s.failed = true
		s.end(err)
	}
}

func (s *stream) frames(data []byte) error {
	if len(s.rest) > 0 {
		data = append(s.rest, data...)
		s.rest = nil
	}
	for len(data) >= 4 {
		n := binary.BigEndian.Uint32(data)
		if n > maxFrame {
			return errStreamFrame
		}
		if uint64(len(data)) < uint64(n)+4 {
			break
		}
		frame := data[4 : n+4 : n+4]
		data = data[n+4:]
		if err := s.frame(frame); err != nil {
			return fmt.Errorf("%w: %w", errStreamFrame, err)
		}
	}
	if len(data) > 0 {
		s.rest = data
	}
	return nil
}
