// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/internal/pki"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// SignedBy is how the signature of a Record is verified, for tests.
func SignedBy(s *pki.Source) func(usp.Record) error { return signedBy(s) }

// Proven is whether a peer that nobody has named is let in by a configuration.
func Proven(c *config.Config, p *mtp.Peer) bool { return newControl(c).proven(p) }

// Exposes is exposes.
func Exposes(c *config.Config, binding string) bool { return exposes(c, binding) }

// The CPE that are awaited at other nodes, for tests.
const (
	AwaitedTime = awaitedTime
	MaxAwaited  = maxAwaited
)

// Awaited are these.
type Awaited struct{ *awaited }

// NewAwaited returns none.
func NewAwaited() Awaited { return Awaited{newAwaited()} }

// Add is what another node tells.
func (w Awaited) Add(key string) { w.add(key) }

// Has is what the ACS asks.
func (w Awaited) Has(id cwmp.DeviceID) bool { return w.has(id) }

// Len is how many there are, those whose time is over among them.
func (w Awaited) Len() int { return len(w.until) }
