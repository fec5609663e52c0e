// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import (
	"io"

	"github.com/uspgate/uspgate/cwmp"
)

// Lists takes the entries of the two lists that can be very long, one at a
// time, as they are read. Strings of an entry share the memory of a part of the
// document that is some 64 KiB long; they may be kept, but what is kept for
// long should be cloned. An error ends the decoding and is returned as it is.
type Lists struct {
	// Value takes the entries of a GetParameterValuesResponse; if it is nil
	// they are in the message.
	Value func(cwmp.ParameterValue) error
	// Info takes the entries of a GetParameterNamesResponse; if it is nil they
	// are in the message.
	Info func(cwmp.ParameterInfo) error
}

// DecodeStream is Decode with a working set that does not grow with the
// document: some 64 KiB, or eight times the longest value, and what the caller
// keeps [quirk 52]. The message in the Body of the result has no entries that
// lists has taken. A message that lists does not take is as from Decode, but
// lists of parameters keep their names and values in memory and not the rest of
// the document, which is most of it.
//
// The entries come before it is known whether the document is whole, and also
// before a Fault of the reader. What lists has taken counts only once
// DecodeStream has returned without an error.
//
// It differs from Decode in three things. What follows the Envelope is not
// read. A tag, or a text with all the markup in it, may be four times
// Limits.MaxValue long, as it is written. And a document that is UTF-8 at first
// and then is not is read as ISO-8859-1 from about there, not as a whole.
//
// Errors are those of Decode. The functions of lists are called by the calling
// goroutine, and no more once DecodeStream has returned. Safe for concurrent
// use.
func DecodeStream(r io.Reader, contentType string, lim Limits, lists Lists) (*cwmp.Envelope, error) {
	return decodeStream(r, contentType, lim, lists, streamPiece)
}

// streamPiece is how much of a stream is read at once.
const streamPiece = 64 << 10

func decodeStream(r io.Reader, contentType string, lim Limits, lists Lists, piece int) (*cwmp.Envelope, error) {
	lim = lim.withDefaults()
	src, err := newSource(r, contentType, lim, piece)
	if err != nil {
		return nil, err
	}
	d := newDecoder(lim)
	d.src, d.lists, d.kept = src, lists, &copies{}
	d.maxStep = max(4*lim.MaxValue, streamPiece)
	return d.decode()
}
