// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench

import "github.com/uspgate/uspgate/usp"

// ErrStill for tests.
var ErrStill = errStill

// Template is a Record as a Load sends it, with the given number and time.
func Template(from, to usp.EndpointID, size int, number, stamp uint64) ([]byte, error) {
	t, err := newTemplate(from, to, size)
	if err != nil {
		return nil, err
	}
	put(t.record[t.number:], number)
	put(t.record[t.stamp:], stamp)
	return t.record, nil
}

// Digits writes a number as a Record holds it, and reads it again.
func Digits(v uint64) (text string, back uint64) {
	var b [fieldWidth]byte
	put(b[:], v)
	return string(b[:]), get(b[:])
}

// Parser is the receiving half of a protocol.
type Parser struct{ p protocol }

// NewParser makes it for a URL's scheme.
func NewParser(url string) (Parser, error) {
	p, _, _, err := protocolFor(url, identity{
		self: usp.Address{ID: "self::c", Role: usp.RoleController}, peer: usp.Address{ID: "self::a", Role: usp.RoleAgent},
	})
	return Parser{p}, err
}

// Next is protocol.next with what a test looks at.
func (p Parser) Next(b []byte) (size int, record []byte, acked bool, answers []byte, err error) {
	ev, answers, err := p.p.next(b, nil)
	return ev.size, ev.record, ev.acked, answers, err
}

// Frame is a Record as the client sends it.
func (p Parser) Frame(rec []byte) []byte { return p.p.frame(rec).bytes }
