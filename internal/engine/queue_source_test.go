// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/internal/store"
)

// What was read from a store whose connection is lost in the middle is read to its
// end by the next one: a process that was not scheduled for a while must start all
// the same.
func TestReadingOutlivesTheConnection(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), engine.Options{Interval: time.Minute}.WithAnswerWait(500*time.Millisecond))
	b, err := s.Bucket(t.Context(), "DEV", store.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const keys = 2500
	for i := range keys {
		if _, err := b.Put(t.Context(), fmt.Sprint("key", i), []byte("value")); err != nil {
			t.Fatal(err)
		}
	}
	seen := make(map[string]bool)
	calls := 0
	err = b.Each(t.Context(), "", func(e store.Entry) error {
		seen[e.Key] = true
		if calls++; calls%900 == 1 {
			return s.e.Disconnect()
		}
		return nil
	})
	if err != nil || len(seen) != keys {
		t.Errorf("got %d of %d keys, %v", len(seen), keys, err)
	}
}
