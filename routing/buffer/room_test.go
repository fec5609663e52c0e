// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package buffer_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing/buffer"
)

func TestFits(t *testing.T) {
	t.Parallel()
	first, second := item("os::1-A"), item("os::1-B")
	size := first.Record.Len()
	for name, tc := range map[string]struct {
		limits buffer.Limits
		to     string
		size   int
		want   error
	}{
		"room":                 {buffer.Limits{MaxRecords: 3}, "os::1-A", size, nil},
		"Lane full":            {buffer.Limits{MaxRecords: 2}, "os::1-A", size, buffer.ErrFull},
		"Lane full in bytes":   {buffer.Limits{MaxBytes: int64(3*size) - 1}, "os::1-A", size, buffer.ErrFull},
		"another Lane":         {buffer.Limits{MaxRecords: 2}, "os::1-B", size, nil},
		"full in all":          {buffer.Limits{TotalRecords: 2}, "os::1-B", size, buffer.ErrFull},
		"full in all in bytes": {buffer.Limits{TotalBytes: int64(2 * size)}, "os::1-B", size, buffer.ErrFull},
		"oldest goes":          {buffer.Limits{MaxRecords: 2, Overflow: buffer.DropOldest}, "os::1-A", size, nil},
		"never":                {buffer.Limits{MaxBytes: int64(3 * size)}, "os::1-A", 3*size + 1, mtp.ErrTooLarge},
		"never in all":         {buffer.Limits{TotalBytes: int64(3 * size)}, "os::1-A", 3*size + 1, mtp.ErrTooLarge},
	} {
		q := memory(t, buffer.MemoryOptions{Limits: tc.limits})
		for range 2 {
			q.Put(first, func(_ uint64, err error) {
				if err != nil {
					t.Fatal(err)
				}
			})
		}
		lane := first.Lane
		if tc.to != "os::1-A" {
			lane = second.Lane
		}
		if got := q.Fits(lane, tc.size); !errors.Is(got, tc.want) {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
		if got := q.Depth(first.Lane).Records; got != 2 {
			t.Errorf("%s: got %d Records after the question, want 2", name, got)
		}
	}
}

func TestRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := memory(t, buffer.MemoryOptions{Limits: buffer.Limits{MaxRecords: 1, MaxAge: time.Hour}})
		one := item("os::1-A")
		put := func() (seq uint64) {
			q.Put(one, func(s uint64, _ error) { seq = s })
			return seq
		}
		told := func() bool {
			select {
			case <-q.Room():
				return true
			default:
				return false
			}
		}
		for name, free := range map[string]func(seq uint64) error{
			"removed": func(seq uint64) error { return q.Remove(t.Context(), one.Lane, seq) },
			"purged":  func(uint64) error { _, err := q.Purge(t.Context(), one.Lane); return err },
			"expired": func(uint64) error {
				<-time.After(2 * time.Hour)
				_, err := q.Read(t.Context(), one.Lane, 0, 1, 1)
				return err
			},
		} {
			one.At = time.Now()
			seq := put()
			put() // refused
			if told() {
				t.Errorf("%s: told of room that there is not", name)
			}
			if err := free(seq); err != nil {
				t.Fatal(err)
			}
			if !told() || told() {
				t.Errorf("%s: want to be told once", name)
			}
		}
		if err := q.Remove(t.Context(), one.Lane, put()); err != nil {
			t.Fatal(err)
		}
		if told() {
			t.Error("told of room that nobody has asked for")
		}
	})
}
