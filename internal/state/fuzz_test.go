// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/uspgate/uspgate/internal/state"
	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/translate/agent"
)

// sealed makes a record with a checksum that is right: head as it is, body compressed.
func sealed(tb testing.TB, version byte, head, body []byte) []byte {
	tb.Helper()
	out := bytes.NewBuffer(append([]byte{version, 0, 0, 0, 0}, head...))
	w, err := flate.NewWriter(out, flate.BestSpeed)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Write(body); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	raw := out.Bytes()
	binary.BigEndian.PutUint32(raw[1:], crc32.ChecksumIEEE(raw[5:]))
	return raw
}

// bodyOf returns what is compressed in a sample, behind so many bytes.
func bodyOf(tb testing.TB, file string, behind int) (head, body []byte) {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		tb.Fatal(err)
	}
	body, err = io.ReadAll(flate.NewReader(bytes.NewReader(raw[behind:])))
	if err != nil {
		tb.Fatal(err)
	}
	return raw[5:behind], body
}

// Whatever is in the Store as a tree and as its model, it is read or refused; what was
// read is the same after it was saved again.
func FuzzTree(f *testing.F) {
	head, tree := bodyOf(f, "tree_v2", 5+1+16+8)
	_, model := bodyOf(f, "model_v1", 5)
	f.Add(head, tree, model)
	f.Add([]byte{0}, []byte{0, 1, '1', 1, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, []byte{})
	f.Fuzz(func(t *testing.T, head, tree, model []byte) {
		if len(tree) > 1<<12 { // a long name many times takes time
			return
		}
		s := &store.Memory{}
		id := agent.EndpointIDFor(box)
		if _, err := bucket(t, s, "MODEL").Put(t.Context(), modelName, sealed(t, 1, nil, model)); err != nil {
			t.Fatal(err)
		}
		if _, err := bucket(t, s, "TREE").Put(t.Context(), string(id), sealed(t, 2, head, tree)); err != nil {
			t.Fatal(err)
		}
		st := openState(t, s, state.Options{})
		got, err := st.Agents().LoadTree(id)
		if err != nil || got == nil {
			return
		}
		save(t, st, got)
		loads(t, st, got)
	})
}

// Whatever is in the Store as a record, it is read or refused; what was read is the same
// after something else of it was saved.
func FuzzRecord(f *testing.F) {
	for _, version := range []string{"v1", "v2", "v3"} {
		raw, err := os.ReadFile(filepath.Join("testdata", "record_"+version))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := &store.Memory{}
		id := agent.EndpointIDFor(box)
		if _, err := bucket(t, s, "DEV").Put(t.Context(), string(id), raw); err != nil {
			return // too large
		}
		st := openState(t, s, state.Options{})
		before, err := st.Agents().Load(id)
		known, ok, knownErr := st.Devices().Load(box)
		if err != nil || knownErr != nil || !ok {
			return
		}
		known.ParameterKey += "x"
		if err := st.Devices().Save(known); err != nil {
			t.Fatalf("got %v for a record that was read", err)
		}
		after, err := st.Agents().Load(id)
		if err != nil || !reflect.DeepEqual(before, after) {
			t.Fatalf("got %+v, %v, want %+v", after, err, before)
		}
		again, _, err := st.Devices().Load(box)
		if err != nil || again != known {
			t.Fatalf("got %+v, %v, want %+v", again, err, known)
		}
	})
}
