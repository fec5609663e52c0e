// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"bytes"
	"testing"

	"github.com/uspgate/uspgate/internal/cluster"
)

// FuzzMessages: what parses is written in a form that parses to the same.
func FuzzMessages(f *testing.F) {
	for kind := range cluster.Kinds {
		f.Add(kind, []byte{})
		f.Add(kind, []byte{1, 2, 0, 1, 1, 'a', 7, 0, 0, 0, 0, 0, 0})
	}
	f.Add(0, []byte{2, 200, 1, 5})
	f.Add(1, []byte{1, 2, 'i', 'd', 9, 2, 'w', 's', 3, 7, 0})
	f.Add(2, []byte{1, 1, 'a', 1, 0, 127, 3, 4, 'm', 'q', 't', 't', 1, 'l'})
	f.Add(3, append([]byte{1, 5, 0}, `{"Kind":"mqtt","Shared":true,"Identity":{"Any":true}}`...))
	f.Add(3, []byte{3, 1, 2, 4})
	f.Fuzz(func(t *testing.T, kind int, b []byte) {
		again, ok := cluster.Reread(kind, b)
		if !ok {
			return
		}
		third, ok := cluster.Reread(kind, again)
		if !ok || !bytes.Equal(again, third) {
			t.Errorf("kind %d: got %x, %v, want %x", kind, third, ok, again)
		}
	})
}

// FuzzStream: frames come out as they went in, wherever the messages are cut; and
// no bytes whatever end in more than an error.
func FuzzStream(f *testing.F) {
	f.Add([]byte("one"), []byte{}, []byte("three"), 1, 7)
	f.Add(make([]byte, 300), []byte{1}, make([]byte, 5), 3, 4)
	f.Fuzz(func(t *testing.T, a, b, c []byte, i, j int) {
		frames := [][]byte{a, b, c}
		all := cluster.StreamBytes(frames)
		i = max(0, min(i, len(all)))
		j = max(i, min(j, len(all)))
		got, good := cluster.StreamFrames([][]byte{all[:i], all[i:j], all[j:]})
		if !good || len(got) != len(frames) {
			t.Fatalf("got %d frames, %v, want %d", len(got), good, len(frames))
		}
		for n := range frames {
			if !bytes.Equal(got[n], frames[n]) {
				t.Errorf("frame %d: got %x, want %x", n, got[n], frames[n])
			}
		}
		cluster.StreamFrames([][]byte{a, b, c})
	})
}
