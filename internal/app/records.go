// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/internal/pki"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/e2e"
)

// recordOptions say what may be in a Session Context, and how signatures are verified.
func (a *App) recordOptions(o Options, reg *prometheus.Registry) (agent.RecordOptions, error) {
	t := &o.Config.Translate
	out := agent.RecordOptions{E2ESession: t.E2ESession.First(), Signed: t.Signatures.Wants()}
	s := &t.Signatures
	if s.CA == "" {
		return out, nil
	}
	trust, err := a.source(o, reg, "signatures", &config.TLS{CRL: s.CRL, CRLExpired: s.CRLExpired}, s.CA)
	if err != nil {
		return out, err
	}
	out.Verify = signedBy(trust)
	return out, nil
}

// signedBy returns what checks the signature of a Record: that it is one, that trust has
// the signer's CA, and that the signer is from_id [R-E2E.31, R-SEC.0a].
func signedBy(trust *pki.Source) func(usp.Record) error {
	return func(rec usp.Record) error {
		chain, err := e2e.Verify(rec)
		if err != nil {
			return err //nolint:wrapcheck // says what it is
		}
		if err := trust.Trusts(chain); err != nil {
			return err //nolint:wrapcheck // says what it is
		}
		ids := mtp.CertificateIDs(chain[0])
		if from := rec.Header().From; len(ids) == 0 || !(mtp.Identity{IDs: ids}).Allows(from) {
			return fmt.Errorf("app: the certificate of the signature names %v, not %s", ids, from)
		}
		return nil
	}
}

// sessionOf is what a configured Controller has of its own; nil: nothing.
func sessionOf(c *config.Controller, top config.E2ESession) *agent.E2ESession {
	if c.E2ESession == (config.E2ESession{}) {
		return nil
	}
	first := c.E2ESession.Or(top).First()
	return &first
}
