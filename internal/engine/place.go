// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Bounds of the secret in Options.KeyFile, in bytes.
const (
	minKey = 32
	maxKey = 4 << 10
)

// keyCheck is a file beside the store by which a key is known again. JetStream
// leaves out what it can not decrypt, and would begin anew in its place.
const keyCheck = "key.check"

// prepare makes the directory of the store, learns its secret, and repairs what is
// in it.
func (e *Engine) prepare() (err error) {
	if err := os.MkdirAll(e.o.Dir, 0o700); err != nil {
		return fmt.Errorf(
			"the directory of the store can not be made; it needs a parent that uspgate may write to: %w", err)
	}
	if err := probe(e.o.Dir); err != nil {
		return fmt.Errorf("%s can not be written; "+
			"it needs space and has to belong to the user that uspgate runs as: %w", e.o.Dir, err)
	}
	if e.o.KeyFile != "" {
		if e.secret, err = readKey(e.o.KeyFile); err != nil {
			return err
		}
	}
	if err := e.checkKey(e.secret); err != nil {
		return err
	}
	return e.repair()
}

func readKey(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("key file: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("key file: %w", err)
	}
	if info.Mode().Perm()&0o027 != 0 {
		return "", fmt.Errorf("key file %s has mode %04o; others may not read it, nor the group write it: chmod 0400",
			name, info.Mode().Perm())
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKey+1))
	if err != nil {
		return "", fmt.Errorf("key file: %w", err)
	}
	key := strings.TrimRight(string(b), "\r\n")
	if len(key) < minKey || len(key) > maxKey {
		return "", fmt.Errorf("key file %s has to have %d to %d bytes", name, minKey, maxKey)
	}
	return key, nil
}

// checkKey compares the key with the one that the store was made with.
func (e *Engine) checkKey(key string) error {
	name := filepath.Join(e.o.Dir, keyCheck)
	made, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("key: %w", err)
	}
	was := strings.TrimSpace(string(made))
	switch {
	case key == "" && was == "":
		return nil
	case key == "":
		return fmt.Errorf("the store in %s is encrypted, and no key file is named", e.o.Dir)
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte("uspgate store"))
	sum := hex.EncodeToString(mac.Sum(nil))
	switch {
	case was == sum:
		return nil
	case was != "":
		return fmt.Errorf("the store in %s was encrypted with another key than that in %s", e.o.Dir, e.o.KeyFile)
	}
	if _, err := os.Stat(filepath.Join(e.o.Dir, "jetstream")); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the store in %s was made without encryption; a key file needs an empty directory", e.o.Dir)
	}
	if err := os.WriteFile(name+".tmp", []byte(sum+"\n"), 0o600); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	err = errors.Join(syncFile(name+".tmp"), os.Rename(name+".tmp", name), syncFile(e.o.Dir))
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	return nil
}
