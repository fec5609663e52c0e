// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"hash/maphash"
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

	mu   sync.Mutex
	last map[uint64]uint32 // seconds of Unix time
}

func newInforms(limit int) *informs {
	return &informs{seed: maphash.MakeSeed(), limit: limit, last: make(map[uint64]uint32)}
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

// noting notes the sessions that a Handler has taken.
type noting struct {
	to      acs.Handler
	informs *informs
}

// Open implements acs.Handler.
func (n noting) Open(ctx context.Context, in *cwmp.Inform, info acs.Info) (acs.Session, error) {
	s, err := n.to.Open(ctx, in, info)
	if err == nil {
		n.informs.note(in.DeviceID)
	}
	return s, err
}
