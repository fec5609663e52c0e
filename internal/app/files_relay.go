// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/internal/relay"
	"github.com/uspgate/uspgate/translate/agent"
)

// relayCache is what the gateway fetches for CPE; nil if it does not.
func relayCache(o Options, c *config.Files) (*relay.Cache, error) {
	if len(c.Relay) == 0 {
		return nil, nil //nolint:nilnil // not wanted
	}
	options := relay.Options{
		Dir: c.RelayDir, Allow: c.Relay, MaxFile: int64(c.MaxRelay), MaxTotal: int64(c.MaxRelayTotal),
		Keep: time.Duration(c.Lifetime),
	}
	if options.Dir == "" {
		options.Dir = filepath.Join(o.Config.DataDir, "relay")
	}
	if c.RelayCA != "" {
		text, err := os.ReadFile(c.RelayCA)
		if err != nil {
			return nil, fmt.Errorf("relay_ca: %w", err)
		}
		options.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
		if !options.TLS.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("relay_ca: there is no certificate in the file")
		}
	}
	return relay.New(options)
}

// Relays implements agent.Files.
func (f *fileService) Relays(url string) bool { return f.cache != nil && f.cache.Allows(url) }

// relayed fetches what a file is of.
func (f *fileService) relayed(ctx context.Context, r *fileRecord, file *agent.File) error {
	if f.cache == nil {
		return fmt.Errorf("%w: cwmp.files.relay is not configured", agent.ErrFile)
	}
	got, err := f.cache.Fetch(ctx, file.Source, file.Username, file.Password)
	if errors.Is(err, relay.ErrRefused) {
		return fmt.Errorf("%w: %w", agent.ErrFile, err)
	}
	if err != nil {
		return err
	}
	r.Name, r.Relayed, r.Size, r.Modified = "file.bin", got.ID, got.Size, got.Modified
	if u, err := url.Parse(file.Source); err == nil && path.Ext(u.Path) != "" {
		r.Name = path.Base(u.Path)
	}
	if file.CheckSum == "" {
		return nil
	}
	content, ok := f.cache.Open(got.ID)
	if !ok {
		return errors.New("files: a file that was fetched is gone")
	}
	return verify(io.NewSectionReader(content, 0, content.Size()), file)
}

// openRelayed opens a file that was fetched.
func (f *fileService) openRelayed(r *fileRecord) (*relay.Content, bool) {
	if f.cache == nil {
		return nil, false
	}
	return f.cache.Open(r.Relayed)
}

// verify reads a file and compares its checksum.
func verify(r io.Reader, want *agent.File) error {
	var sum hash.Hash
	switch want.CheckSumAlgorithm {
	case "SHA-1":
		sum = sha1.New()
	case "SHA-224":
		sum = sha256.New224()
	case "SHA-256":
		sum = sha256.New()
	case "SHA-384":
		sum = sha512.New384()
	case "SHA-512":
		sum = sha512.New()
	default:
		return fmt.Errorf("%w: the CheckSumAlgorithm %q is not known", agent.ErrFile, want.CheckSumAlgorithm)
	}
	if _, err := io.Copy(sum, r); err != nil {
		return fmt.Errorf("files: %w", err)
	}
	if got, err := hex.DecodeString(want.CheckSum); err != nil || !bytes.Equal(got, sum.Sum(nil)) {
		return fmt.Errorf("%w: %q does not have that CheckSum", agent.ErrFile, want.Name)
	}
	return nil
}
