// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// While the disk fails nothing is acknowledged; when it does not any more the Queue goes
// on behind what it had, and nothing counts as damaged, neither then nor after either
// kind of end.
func TestQueueOutlivesAFailedFsync(t *testing.T) {
	t.Parallel()
	s := &syncs{names: make(map[string]int)}
	q := openTended(t, t.TempDir(), engine.Options{}.WithSync(s.file))
	l := tendLane("a")
	put := func(text string) error {
		got := make(chan error, 1)
		q.Put(buffer.Item{
			Lane: l, Record: usp.NewNoSession("self::c", l.To.ID, "", []byte(text)), At: time.Now(),
		}, func(_ uint64, err error) { got <- err })
		select {
		case err := <-got:
			return err
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: Put was not settled within 20 s", text)
			return nil
		}
	}
	var want []string
	for round := range 3 {
		for i := range 5 {
			text := strconv.Itoa(round*10 + i)
			if err := put(text); err != nil {
				t.Fatalf("Put: got %v, want nil", err)
			}
			want = append(want, text)
		}
		s.set(errors.New("the disk is broken"), nil)
		for range 3 {
			if err := put("refused"); err == nil {
				t.Error("Put while the disk is broken: got nil, want an error")
			}
		}
		s.set(nil, nil)
		attempt := 0
		eventually(t, func() string {
			attempt++
			text := fmt.Sprintf("%d again, %d", round, attempt)
			if err := put(text); err != nil {
				return "Put after the disk was mended: " + err.Error()
			}
			want = append(want, text)
			return ""
		})
	}
	for range 2 {
		wantQueued(t, q, l, want)
		wantQueued(t, openTended(t, crashImage(t, q.dir), engine.Options{}), l, want)
		q.close()
		q = openTended(t, q.dir, engine.Options{})
	}
}

// wantQueued reads all that waits in l. What was refused without it being known whether it
// was stored is between the rest, if at all.
func wantQueued(t *testing.T, q *opened, l buffer.Lane, want []string) {
	t.Helper()
	wantNoDamage(t, q)
	items, err := q.Read(t.Context(), l, 0, 1000, 1<<30)
	if err != nil {
		t.Fatalf("Read: got %v, want nil", err)
	}
	var got []string
	for i := range items {
		if text := string(items[i].Record.Header().Payload); slices.Contains(want, text) {
			got = append(got, text)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
