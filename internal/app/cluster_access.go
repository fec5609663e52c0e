// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/internal/engine"
)

// clusterAccess is who this process is for a cluster, and whom it takes for one.
// The files are read once.
func clusterAccess(c *config.Engine, o *engine.Options) error {
	o.Username, o.Password, o.CredsFile = c.Username, c.Password.Reveal(), c.CredsFile
	if c.TLS.Cert == "" && c.TLS.ServerCA == "" {
		return nil // as the URL says, with the authorities of the system
	}
	o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLS.MinVersion == "1.3" {
		o.TLS.MinVersion = tls.VersionTLS13
	}
	if c.TLS.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.TLS.Cert, c.TLS.Key)
		if err != nil {
			return fmt.Errorf("engine.tls: %w", err)
		}
		o.TLS.Certificates = []tls.Certificate{pair}
	}
	if c.TLS.ServerCA != "" {
		pem, err := os.ReadFile(c.TLS.ServerCA)
		if err != nil {
			return fmt.Errorf("engine.tls.server_ca: %w", err)
		}
		o.TLS.RootCAs = x509.NewCertPool()
		if !o.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("engine.tls.server_ca: %w", errNoCertificate)
		}
	}
	return nil
}

var errNoCertificate = errors.New("there is no certificate in the file")
