// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.uber.org/zap"
)

// Sizes of a token in bytes: of one that is made, before it is written in hex,
// and of those that are taken from a file.
const (
	tokenBytes = 32
	minToken   = 16
	maxToken   = 4096
)

// token is the hash of what a request must bear: comparing hashes in constant
// time tells neither content nor length.
type token [sha256.Size]byte

// openToken reads the token from path. If there is no such file it makes one
// that only its owner can read.
func openToken(path string, log *zap.Logger) (token, error) {
	text, err := ReadToken(path)
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = makeToken(path); err == nil {
			log.Info("token made", zap.String("file", path))
		}
	}
	if err != nil {
		return token{}, fmt.Errorf("admin: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		log.Warn("others on this host can read the token", zap.String("file", path),
			zap.String("mode", info.Mode().Perm().String()))
	}
	return sha256.Sum256([]byte(text)), nil
}

// ReadToken returns the token in a file, without the white space around it.
func ReadToken(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // only read from
	text, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", err
	}
	text = bytes.TrimSpace(text)
	switch {
	case len(text) > maxToken:
		return "", fmt.Errorf("%s is too long for a token", path)
	case len(text) < minToken:
		return "", fmt.Errorf("%s holds no token of at least %d characters", path, minToken)
	case bytes.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fmt.Errorf("%s holds more than a token", path)
	}
	return string(text), nil
}

func makeToken(path string) (string, error) {
	secret := make([]byte, tokenBytes)
	if _, err := rand.Read(secret); err != nil {
		return "", err
	}
	text := hex.EncodeToString(secret)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(text + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return "", errors.Join(err, os.Remove(path)) // half a token is none
	}
	return text, nil
}

// is reports whether the header Authorization bears the token.
func (t *token) is(header string) bool {
	scheme, text, _ := strings.Cut(header, " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(text)))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], t[:]) == 1
}
