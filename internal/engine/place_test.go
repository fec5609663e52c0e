// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/uspgate/uspgate/internal/engine"
)

func wantRefused(t *testing.T, o engine.Options, words ...string) {
	t.Helper()
	e, err := engine.Open(t.Context(), o)
	if err == nil {
		e.Close()
		t.Fatalf("Open: got nil, want an error with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("Open: got %v, want it to say %q", err, w)
		}
	}
}

func keyFile(t *testing.T, key string, mode fs.FileMode) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, []byte(key+"\n"), mode); err != nil {
		t.Fatal(err)
	}
	return name
}

// What is kept is not found in the files, comes again with the key and only so.
func TestEncryption(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("s3cret-k", 4)
	key, dir := keyFile(t, secret, 0o600), t.TempDir()
	plain := strings.Repeat("a password of a CPE", 10)
	for range 2 {
		s := openStore(t, dir, engine.Options{KeyFile: key})
		b := bucketOf(t, s)
		if _, err := b.Put(t.Context(), "k", []byte(plain)); err != nil {
			t.Fatalf("Put: got %v, want nil", err)
		}
		if e, err := b.Get(t.Context(), "k"); err != nil || string(e.Value) != plain {
			t.Errorf("Get: got %q, %v, want what was put", e.Value, err)
		}
		s.e.Close()
	}
	blocks := 0
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if bytes.Contains(b, []byte("a password")) || bytes.Contains(b, []byte(secret)) {
			t.Errorf("%s: has plain text", name)
		}
		if filepath.Ext(name) == ".blk" && len(b) > len(plain) {
			blocks++
		}
		return err
	})
	if err != nil || blocks == 0 {
		t.Errorf("files: got %d blocks, %v, want one or more", blocks, err)
	}
	wantRefused(t, engine.Options{Dir: dir}, dir, "encrypted")
	wantRefused(t, engine.Options{Dir: dir, KeyFile: keyFile(t, strings.Repeat("another ", 4), 0o600)}, dir, "another key")
	b := bucketOf(t, openStore(t, dir, engine.Options{KeyFile: key}))
	if e, err := b.Get(t.Context(), "k"); err != nil || string(e.Value) != plain {
		t.Errorf("Get after wrong keys: got %q, %v, want what was put", e.Value, err)
	}
}

func TestKeyFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("s3cret-k", 4)
	wantRefused(t, engine.Options{Dir: t.TempDir(), KeyFile: keyFile(t, secret, 0o644)}, "mode 0644", "chmod")
	wantRefused(t, engine.Options{Dir: t.TempDir(), KeyFile: keyFile(t, "short", 0o600)}, "32")
	wantRefused(t, engine.Options{Dir: t.TempDir(), KeyFile: filepath.Join(t.TempDir(), "none")}, "key file")
	dir := t.TempDir()
	s := openStore(t, dir, engine.Options{})
	bucketOf(t, s)
	s.e.Close()
	wantRefused(t, engine.Options{Dir: dir, KeyFile: keyFile(t, secret, 0o600)}, "without encryption")
}

func TestPlacesThatAreRefused(t *testing.T) {
	t.Parallel()
	file := keyFile(t, "this is a file", 0o600)
	wantRefused(t, engine.Options{Dir: file}, file, "can not be made")
	wantRefused(t, engine.Options{Dir: "/proc/self/uspgate"}, "/proc/self/uspgate", "can not be made")
	wantRefused(t, engine.Options{Dir: "/proc"}, "/proc", "can not be written", "user")
}

// A server with the default max_payload would not take a Record of 5 MiB.
func TestClusterWithASmallMaxPayloadIsRefused(t *testing.T) {
	t.Parallel()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	wantRefused(t, engine.Options{URL: s.ClientURL()}, "1048576", "max_payload")
}

func TestCloseTwice(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), engine.Options{})
	s.e.Close()
	s.e.Close()
}
