// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/translate/device"
)

// Adopt takes in the entries of the Virtual Agents that another node has had, and
// returns those of requests that it has left unanswered. What is known already
// stays as it is. mine says whose, by the Endpoint ID. For a Journal that several
// nodes share: each knows by heart only those of its own Agents.
func (j *Journal) Adopt(ctx context.Context, mine func(to string) bool) (map[device.Key]device.State, error) {
	left := make(map[device.Key]device.State)
	err := j.bucket.Each(ctx, "", func(e store.Entry) error {
		var s stored
		if err := json.Unmarshal(e.Value, &s); err != nil || s.V > journalVersion || !mine(s.Key.To) {
			return nil // somebody else's, or nobody can say whose
		}
		l := &line{
			key: s.Key, name: e.Key, state: s.State, at: time.Unix(0, s.At), done: time.Unix(0, s.Done), revision: e.Revision,
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.entries[l.name] != nil {
			return nil
		}
		j.entries[l.name] = l
		j.perTo[l.key.To]++
		if l.state == device.StateAnswered {
			l.place = j.answered.PushBack(l)
		} else {
			left[l.key] = l.state
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("state: journal: %w", err)
	}
	return left, nil
}

// Leave forgets the entries of a Virtual Agent that is another node's now; they stay
// in the Bucket.
func (j *Journal) Leave(to string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.perTo[to] == 0 {
		return
	}
	for _, l := range j.entries {
		if l.key.To == to {
			j.drop(l)
		}
	}
}
