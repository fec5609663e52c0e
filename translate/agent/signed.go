// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/e2e"
)

// Values of the label result of uspgate_translate_signatures_total.
const (
	signatureGood    = "good"
	signatureBad     = "bad"
	signatureMissing = "missing"
)

// maxBlamed bounds of how many Endpoints it is remembered that their bad signatures
// have been reported.
const maxBlamed = 1024

// blamed are those Endpoints, of one Host.
type blamed struct {
	mu  sync.Mutex
	ids map[usp.EndpointID]struct{}
}

// first reports whether an Endpoint is new.
func (b *blamed) first(id usp.EndpointID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.ids[id]; ok {
		return false
	}
	if b.ids == nil || len(b.ids) >= maxBlamed {
		b.ids = make(map[usp.EndpointID]struct{})
	}
	b.ids[id] = struct{}{}
	return true
}

// wantsSignature reports whether Records of an Endpoint have to be signed.
func (a *Agent) wantsSignature(from usp.EndpointID) bool {
	switch a.host.opts.Records.Signed {
	case SignedAlways:
		return true
	case SignedUnprotected:
		if f := a.host.opts.Records.Protected; f != nil {
			return !f(from)
		}
		return !a.host.Protected(from)
	default:
		return false
	}
}

// Protected reports whether a Controller has been reached over Links only that are
// protected, see Meet; false for one that is not known.
func (h *Host) Protected(c usp.EndpointID) bool { return h.trusted.protected(c) }

// genuine reports whether a Record may be taken for one of its from_id, as far as its
// signature says. One that may not is ignored, and ends the Session Context
// [R-E2E.23, R-E2E.30].
//
// Deviation: a Record without signature is taken whatever MTP it came over, unless the
// configuration wants it otherwise; R-E2E.30 wants one wherever the MTP does not protect
// the Record. What the Agent sends it does not sign.
func (a *Agent) genuine(rec usp.Record, from usp.EndpointID) bool {
	m := a.host.metrics.signatures
	signed := rec.Header().Signed
	if !signed && !a.wantsSignature(from) {
		return true
	}
	verify := a.verifier(from)
	if verify == nil {
		return true
	}
	err := verify(rec)
	if err == nil {
		m.WithLabelValues(signatureGood).Inc()
		return true
	}
	if signed {
		m.WithLabelValues(signatureBad).Inc()
	} else {
		m.WithLabelValues(signatureMissing).Inc()
	}
	if a.host.blamed.first(from) {
		a.log.Warn("a Record was ignored for its signature; more of this Endpoint are only counted",
			zap.String("from", string(from)), zap.Error(err))
	}
	a.lock()
	defer a.unlock()
	if c := a.contexts[from]; c != nil && rec.Header().Type == usp.RecordSession {
		a.moved(from, c, c.Fail(time.Now(), e2e.ErrIntegrity))
	}
	return false
}
