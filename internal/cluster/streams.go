// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import "sync"

// streams are those of one service, of both sides, by id. The zero value has none.
// Safe for concurrent use.
type streams struct {
	mu   sync.Mutex
	byID map[uint64]*stream
}

func (s *streams) add(x *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = make(map[uint64]*stream)
	}
	s.byID[x.id] = x
}

func (s *streams) remove(x *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, x.id)
}

// end ends those to a life of a node, or all if to is empty.
func (s *streams) end(to string, cause error) {
	s.mu.Lock()
	var all []*stream
	for _, x := range s.byID {
		if to == "" || x.to == to {
			all = append(all, x)
		}
	}
	s.mu.Unlock()
	for _, x := range all {
		x.end(cause)
	}
}

// handle serves a message of the service; greeted begins a stream that the other
// side asks for.
func (s *streams) handle(message []byte, reply func([]byte), greeted func([]byte) bool) {
	answer := []byte{answerNo}
	switch {
	case len(message) == 0:
	case message[0] == msgHello:
		if greeted(message[1:]) {
			answer[0] = answerOK
		}
	default:
		id, number, data, ok := dataOf(message)
		s.mu.Lock()
		x := s.byID[id]
		s.mu.Unlock()
		if ok && x != nil && x.receive(number, data) {
			answer[0] = answerOK
		}
	}
	reply(answer)
}
