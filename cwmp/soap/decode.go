// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import (
	"fmt"
	"io"

	"github.com/uspgate/uspgate/cwmp"
)

// Decode reads one envelope from r, which is read until its end or until the
// envelope has exceeded lim.MaxBytes. contentType is the HTTP header of that
// name; its charset parameter comes before the encoding of the XML declaration
// [quirk 17]. What follows the end of the Envelope is ignored [quirk 19].
//
// The strings of the result share one backing array. Errors wrap ErrMalformed,
// ErrLimit or what r returned.
func Decode(r io.Reader, contentType string, lim Limits) (*cwmp.Envelope, error) {
	max := lim.withDefaults().MaxBytes
	b, err := io.ReadAll(io.LimitReader(r, max+1))
	if err != nil {
		return nil, fmt.Errorf("soap: read envelope: %w", err)
	}
	return DecodeBytes(b, contentType, lim)
}

// DecodeBytes is Decode for an envelope in memory. It does not retain b.
func DecodeBytes(b []byte, contentType string, lim Limits) (*cwmp.Envelope, error) {
	return nil, ErrMalformed
}
