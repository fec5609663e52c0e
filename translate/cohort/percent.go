// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cohort

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// Percent is a share in hundredths of a percent. As a text it is such as 10, 10% or 0.25.
type Percent int

// hundred is all.
const hundred Percent = 100_00

// UnmarshalText reads a number from 0 to 100 with at most two places after its point, and
// perhaps a percent sign. The error is a sentence.
func (p *Percent) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("%q is not a percentage, write for example 10 or 0.25", text)
	whole, part, point := strings.Cut(strings.TrimSpace(strings.TrimSuffix(string(text), "%")), ".")
	if !isDigits(whole) || point && (!isDigits(part) || len(part) > 2) || len(whole) > 3 {
		return bad
	}
	n, err := strconv.Atoi(whole + (part + "00")[:2])
	if err != nil || Percent(n) > hundred {
		return bad
	}
	*p = Percent(n)
	return nil
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// MarshalText is the inverse of UnmarshalText.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// String returns the percentage without a sign.
func (p Percent) String() string {
	s := strconv.Itoa(int(p / 100))
	if rest := p % 100; rest != 0 {
		s += strings.TrimSuffix(fmt.Sprintf(".%02d", int(rest)), "0")
	}
	return s
}

// Place is where a CPE stands among all of them, from 0 to 9,999: at a Percent those are
// meant whose Place is below it. It depends on nothing but the identity of the CPE and the
// seed, and never changes: it is the first eight bytes, as a big-endian number modulo
// 10,000, of SHA-256 over seed, a zero byte and cwmp.DeviceID.String. About 0.4 µs.
func Place(id cwmp.DeviceID, seed string) int {
	sum := sha256.Sum256([]byte(seed + "\x00" + id.String()))
	return int(binary.BigEndian.Uint64(sum[:8]) % uint64(hundred))
}
