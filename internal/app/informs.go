// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// informs remembers when the last session of each CPE began, for as long as the
// process runs: a CPE that is not in memory has said it to nobody else. Of two CPE
// with one hash, of 64 bits, the later one counts for both.
type informs struct {
	seed  maphash.Seed
	limit int // of entries

	mu    sync.Mutex
	last  map[uint64]uint32              // seconds of Unix time
	boxes map[cwmp.DeviceID]acs.Conflict // of the latest in quarantine, at most maxBoxes
}

// maxBoxes is of how many CPE in quarantine it is known which boxes they are.
const maxBoxes = 4096

func newInforms(limit int) *informs {
	return &informs{
		seed: maphash.MakeSeed(), limit: limit, last: make(map[uint64]uint32),
		boxes: make(map[cwmp.DeviceID]acs.Conflict),
	}
}

func (i *informs) note(id cwmp.DeviceID) {
	key := maphash.Comparable(i.seed, id.Key())
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, known := i.last[key]; known || len(i.last) < i.limit {
		i.last[key] = uint32(time.Now().Unix())
	}
}

// of is zero where the CPE has not come since the start.
func (i *informs) of(id cwmp.DeviceID) time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	if at, ok := i.last[maphash.Comparable(i.seed, id.Key())]; ok {
		return time.Unix(int64(at), 0).UTC()
	}
	return time.Time{}
}

// conflict notes two boxes with one identity, nil that there are none any more.
func (i *informs) conflict(id cwmp.DeviceID, c *acs.Conflict) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if c == nil {
		if len(i.boxes) > 0 {
			delete(i.boxes, id.Key())
		}
		return
	}
	if len(i.boxes) >= maxBoxes {
		for old := range i.boxes { // any
			delete(i.boxes, old)
			break
		}
	}
	key := id.Key() // its words share the memory of the envelope
	i.boxes[cwmp.DeviceID{
		OUI: strings.Clone(key.OUI), ProductClass: strings.Clone(key.ProductClass),
		SerialNumber: strings.Clone(key.SerialNumber),
	}] = *c
}

// twins are the boxes of a CPE in quarantine, in words.
func (i *informs) twins(id cwmp.DeviceID) []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	c, ok := i.boxes[id.Key()]
	if !ok {
		return nil
	}
	var list []string
	for _, b := range c.Boxes {
		words := []string{b.Remote.String()}
		for _, w := range []struct{ name, value string }{
			{"user name", b.Username}, {"certificate", b.Certificate}, {"mac", b.MAC},
		} {
			if w.value != "" {
				words = append(words, w.name+" "+w.value)
			}
		}
		list = append(list, strings.Join(words, ", "))
	}
	return list
}

// noting notes the sessions that a Handler has taken, and boxes that it has refused.
type noting struct {
	to      acs.Handler
	informs *informs
	heard   func(*cwmp.Inform)
}

// Open implements acs.Handler.
func (n noting) Open(ctx context.Context, in *cwmp.Inform, info acs.Info) (acs.Session, error) {
	s, err := n.to.Open(ctx, in, info)
	if err == nil {
		n.informs.note(in.DeviceID)
		n.heard(in)
	}
	n.informs.conflict(in.DeviceID, info.Conflict)
	return s, err
}
