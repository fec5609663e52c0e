// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"

	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// Reread parses b as a message of that kind and writes it again, as long as it
// parses; ok is false if it does not. What is written has to parse, and to be
// written the same way.
func Reread(kind int, b []byte) (again []byte, ok bool) {
	switch kind {
	case 0:
		kind, number, f, c, err := parseFrame(b)
		switch {
		case err != nil, kind == frameBroken:
			return nil, false
		case kind == frameOutcome:
			return appendOutcome(nil, number, c), true
		default:
			return appendForward(nil, number, f), true
		}
	case 1:
		a, fence, by, ok := parseDisown(b)
		if !ok {
			return nil, false
		}
		return appendDisown(nil, a, fence, &by), true
	case 2:
		r, err := parseRecord(b)
		if err != nil {
			return nil, false
		}
		return r.encode(), true
	case 3:
		f, err := parseShared(b)
		switch {
		case err != nil:
			return nil, false
		case f.kind == sharedDown:
			return appendDown(nil, f.link), true
		case f.kind == sharedSettled:
			return appendSettled(nil, f.link, f.token, f.class), true
		default:
			return (&heldLink{id: f.link, peer: f.peer}).appendUp(nil), true
		}
	case 4:
		link, token, hint, rec, err := parseEnqueue(b)
		if err != nil {
			return nil, false
		}
		return appendEnqueue(nil, link, token, &hint, &rec), true
	case 5:
		items, ok := parseNews(b)
		for _, i := range items {
			again = appendString(appendString(again, i.topic), i.data)
		}
		return again, ok
	default:
		id, in, info, err := parseOpen(b)
		if err != nil {
			return nil, false
		}
		again, err := appendOpen(nil, id, in, &info)
		return again, err == nil
	}
}

// Kinds is how many kinds Reread has.
const Kinds = 7

// StreamFrames gives the messages to a stream as they are numbered, and returns
// the frames that come out and whether the stream is still good.
func StreamFrames(messages [][]byte) (frames [][]byte, good bool) {
	s := &stream{frame: func(b []byte) error {
		frames = append(frames, bytes.Clone(b))
		return nil
	}, over: func(error) {}}
	s.init()
	s.begin()
	good = true
	for i, m := range messages {
		good = s.receive(uint64(i), m) && good
	}
	return frames, good
}

// StreamBytes is what a stream sends for some frames.
func StreamBytes(frames [][]byte) []byte {
	s := &stream{}
	s.init()
	for _, f := range frames {
		s.write(func(b []byte) []byte { return append(b, f...) })
	}
	return s.buf
}

// See has o see a key of the Store.
func See(o *Owners, a usp.Address, revision uint64, node string, epoch uint64, info routing.Info) {
	r := &record{
		node: node, epoch: epoch, info: bitsOf(&info), leg: info.Leg, mtp: string(info.MTP), listener: info.Listener,
	}
	o.saw(store.Entry{Key: ownerKey(a), Value: r.encode(), Revision: revision})
}
