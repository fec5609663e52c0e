// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state

import (
	"bytes"
	"fmt"
	"time"

	"github.com/uspgate/uspgate/translate/device"
)

// open returns the line of a request that is not answered, locked.
func (j *Journal) open(k device.Key) (*line, error) {
	j.mu.Lock()
	l := j.entries[nameOf(k)]
	j.mu.Unlock()
	if l == nil {
		return nil, device.ErrUnknownEntry
	}
	l.mu.Lock()
	if l.gone || l.state == device.StateAnswered {
		l.mu.Unlock()
		return nil, device.ErrUnknownEntry
	}
	return l, nil
}

// OnWire implements device.Journal.
func (j *Journal) OnWire(k device.Key) error {
	l, err := j.open(k)
	if err != nil {
		return err
	}
	defer l.mu.Unlock()
	if l.state == device.StateOnWire {
		return nil
	}
	return j.update(l, device.StateOnWire, nil, 0)
}

// Answer implements device.Journal.
func (j *Journal) Answer(k device.Key, reply []byte) error {
	l, err := j.open(k)
	if err != nil {
		return err
	}
	defer l.mu.Unlock()
	l.done = time.Now()
	if err := j.update(l, device.StateAnswered, bytes.Clone(reply), max(j.o.MaxAge, time.Second)); err != nil {
		l.done = time.Time{}
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.entries[l.name] == l {
		l.place = j.answered.PushBack(l)
	}
	return nil
}

// update writes a line in its next state; l.mu is held.
func (j *Journal) update(l *line, state device.State, reply []byte, ttl time.Duration) error {
	before := l.state
	l.state = state
	value, err := l.encode(reply)
	if err == nil {
		ctx, cancel := j.deadline()
		defer cancel()
		var revision uint64
		if revision, err = j.bucket.Update(ctx, l.name, value, l.revision, ttl); err == nil {
			l.revision = revision
			return nil
		}
	}
	l.state = before
	return fmt.Errorf("state: journal: %w", err)
}

// Forget implements device.Journal.
func (j *Journal) Forget(k device.Key) error {
	l, err := j.open(k)
	if err != nil {
		return err
	}
	defer l.mu.Unlock()
	ctx, cancel := j.deadline()
	defer cancel()
	if err := j.bucket.Delete(ctx, l.name, 0); err != nil {
		return fmt.Errorf("state: journal: %w", err)
	}
	l.gone = true
	j.mu.Lock()
	defer j.mu.Unlock()
	j.drop(l)
	return nil
}
