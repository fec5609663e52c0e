// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"bytes"
	"html"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/uspgate/uspgate/cwmp"
)

// Hint is what is known of a CPE before its Inform is parsed.
type Hint struct {
	Remote netip.Addr
	// Device is by a quick look at the body, and zero if that finds none. Nothing
	// has been proved.
	Device cwmp.DeviceID
}

// bucket admits sessions at a rate. Safe for concurrent use.
type bucket struct {
	mu     sync.Mutex
	rate   float64 // per second; 0: no bound
	burst  float64
	tokens float64
	debt   float64 // who was turned away and may come again
	last   int64   // ns
}

func newBucket(rate, burst float64) *bucket {
	return &bucket{rate: rate, burst: burst, tokens: burst}
}

// take takes a token at now, which is in ns. If there is none, wait is how long it
// takes to serve all that were turned away.
func (b *bucket) take(now int64) (wait time.Duration, ok bool) {
	if b.rate <= 0 {
		return 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if gained := float64(now-b.last) / float64(time.Second) * b.rate; gained > 0 {
		b.tokens = min(b.burst, b.tokens+gained)
		b.debt = max(0, b.debt-gained)
		b.last = now
	}
	if b.tokens >= 1 {
		b.tokens--
		return 0, true
	}
	b.debt++
	return time.Duration(b.debt / b.rate * float64(time.Second)), false
}

// peekBytes is how much of a body peekDevice looks at: the DeviceId is the first
// thing in an Inform.
const peekBytes = 8 * kib

// peekDevice finds the DeviceId of an Inform without parsing it. What it returns
// may be wrong.
func peekDevice(body []byte) cwmp.DeviceID {
	if len(body) > peekBytes {
		body = body[:peekBytes]
	}
	i := bytes.Index(body, []byte("DeviceId"))
	if i < 0 {
		return cwmp.DeviceID{}
	}
	body = body[i:]
	d := cwmp.DeviceID{
		OUI:          peekElement(body, "OUI"),
		ProductClass: peekElement(body, "ProductClass"),
		SerialNumber: peekElement(body, "SerialNumber"),
	}
	return d.Key()
}

// peekElement is the text of the first element of that local name.
func peekElement(b []byte, name string) string {
	for {
		i := bytes.Index(b, []byte(name))
		if i < 1 {
			return ""
		}
		before := b[i-1]
		b = b[i+len(name):]
		if before != '<' && before != ':' || len(b) == 0 || !bytes.ContainsRune([]byte("> \t\r\n"), rune(b[0])) {
			continue
		}
		_, text, ok := bytes.Cut(b, []byte{'>'})
		if !ok {
			return ""
		}
		text, _, ok = bytes.Cut(text, []byte{'<'})
		if !ok {
			return ""
		}
		return strings.TrimSpace(html.UnescapeString(string(text)))
	}
}
