// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/uspgate/uspgate/usp"
)

// Fingerprint is the SHA-256 of a certificate.
type Fingerprint [sha256.Size]byte

// MarshalText implements encoding.TextMarshaler: it is hex.
func (f Fingerprint) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, f[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Fingerprint) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(f) {
		return errors.New("agent: no fingerprint")
	}
	_, err := hex.Decode(f[:], text)
	return err
}

// FingerprintsOf returns those of a chain; nil for an empty one.
func FingerprintsOf(chain []*x509.Certificate) []Fingerprint {
	var list []Fingerprint
	for _, c := range chain {
		list = append(list, sha256.Sum256(c.Raw))
	}
	return list
}

// Demands are what Links have to prove of Controllers before their Records reach an Agent.
type Demands struct {
	// Credentials: ControllerTrust.Credential. gives Roles by certificate. Who has shown a
	// certificate once is not heard without any.
	Credentials bool `json:"credentials,omitempty"`
	// Pins are, of Controllers with a Credential, the certificates of which one has to be
	// in the chain, or be theirs.
	Pins map[usp.EndpointID][]Fingerprint `json:"pins,omitempty"`
}

// ErrUnproven is why Host.Check refuses a Record.
var ErrUnproven = errors.New("the connection does not show the certificate that the Agent wants of this Controller")

// trusted is what is known of how Controllers have shown themselves, and what Agents demand
// of them, also while they sleep. Its lock is never held over anything.
type trusted struct {
	mu      sync.RWMutex
	demands map[usp.EndpointID]*Demands // by Agent; none for most
	met     map[usp.EndpointID]*meeting
}

// meeting is how a Controller has shown itself.
type meeting struct {
	chain []Fingerprint // by the last Link that has shown one, its own certificate first
	// exposed: it was to be reached over a Link that is not protected, since the gateway
	// runs.
	exposed bool
}

// maxMet bounds the Controllers that are remembered.
const maxMet = 65_536

// Meet notes that a Controller is reached over a Link from now on: the fingerprints of the
// verified chain that it has shown, nil for none, and whether what goes over the Link is
// protected. It is told of each Link before the first Record that came over it, and reports
// whether that is news.
func (h *Host) Meet(c usp.EndpointID, chain []Fingerprint, protected bool) bool {
	t := h.trusted
	t.mu.RLock()
	m := t.met[c]
	old := m != nil && !m.learns(chain, protected)
	t.mu.RUnlock()
	if old {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if m = t.met[c]; m == nil {
		if t.met == nil {
			t.met = make(map[usp.EndpointID]*meeting)
		}
		if len(t.met) >= maxMet {
			return false // unknown: it has shown nothing
		}
		m = &meeting{}
		t.met[usp.EndpointID(strings.Clone(string(c)))] = m
	}
	if len(chain) > 0 { // who has proved it once is not somebody else who does not
		m.chain = chain
	}
	m.exposed = m.exposed || !protected
	return true
}

// learns reports whether anything of it is news.
func (m *meeting) learns(chain []Fingerprint, protected bool) bool {
	return !protected && !m.exposed || len(chain) > 0 && !slices.Equal(chain, m.chain)
}

// Check says whether a Record of a Controller may reach an Agent over a Link that has shown
// a chain: nil, or ErrUnproven. It does not block.
func (h *Host) Check(agent, c usp.EndpointID, chain []*x509.Certificate) error {
	t := h.trusted
	t.mu.RLock()
	defer t.mu.RUnlock()
	d := t.demands[agent]
	if d == nil {
		return nil
	}
	if pins, ok := d.Pins[c]; ok && !meets(pins, FingerprintsOf(chain)) {
		return ErrUnproven
	}
	if m := t.met[c]; d.Credentials && len(chain) == 0 && m != nil && len(m.chain) > 0 {
		return ErrUnproven
	}
	return nil
}

func meets(pins, chain []Fingerprint) bool {
	return slices.ContainsFunc(pins, func(p Fingerprint) bool { return slices.Contains(chain, p) })
}

// shown returns the chain that a Controller has shown last.
func (t *trusted) shown(c usp.EndpointID) []Fingerprint {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if m := t.met[c]; m != nil {
		return m.chain
	}
	return nil
}

// protected reports whether nothing that goes to a Controller is to be read on the way.
func (t *trusted) protected(c usp.EndpointID) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	m := t.met[c]
	return m != nil && !m.exposed
}

// demanded returns what an Agent demands, nil for nothing.
func (t *trusted) demanded(agent usp.EndpointID) *Demands {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.demands[agent]
}

// demand replaces what an Agent demands; nil is nothing.
func (t *trusted) demand(agent usp.EndpointID, d *Demands) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case d == nil:
		delete(t.demands, agent)
	case t.demands == nil:
		t.demands = map[usp.EndpointID]*Demands{agent: d}
	default:
		t.demands[agent] = d
	}
}

// demanded returns what the Agent wants to see of Controllers, nil for nothing. The lock is
// held.
func (a *Agent) demanded() *Demands {
	d := &Demands{}
	a.local.each(credentialTable, func(row string) { d.Credentials = d.Credentials || a.local.isTrue(row+"Enable") })
	a.local.each(controllerTable, func(row string) {
		if refs := references(a.local.get(row + "Credential")); len(refs) > 0 {
			if d.Pins == nil {
				d.Pins = make(map[usp.EndpointID][]Fingerprint)
			}
			d.Pins[usp.EndpointID(a.local.get(row+"EndpointID"))] = a.local.fingerprints(refs)
		}
	})
	if !d.Credentials && d.Pins == nil {
		return nil
	}
	return d
}

// inherit gives a Controller the Roles of the Credentials that its certificate is, or was
// issued by, and takes those that it does not prove any more [R-SEC.21, R-SEC.22]. The lock
// is held.
func (a *Agent) inherit(row string, c usp.EndpointID) {
	if len(a.local.rows[credentialTable]) == 0 && a.local.get(row+"InheritedRole") == "" {
		return
	}
	chain := a.host.trusted.shown(c)
	var roles []string
	a.local.each(credentialTable, func(credential string) {
		if !a.local.isTrue(credential+"Enable") || a.local.get(credential+"AllowedUses") == usesMTPOnly {
			return
		}
		if meets(a.local.fingerprints(references(a.local.get(credential+"Credential"))), chain) {
			for _, r := range references(a.local.get(credential + "Role")) {
				if !slices.Contains(roles, r) {
					roles = append(roles, r)
				}
			}
		}
	})
	if list := strings.Join(roles, ","); list != a.local.get(row+"InheritedRole") {
		t := a.local.begin()
		t.set(row+"InheritedRole", list)
		t.commit()
	}
}
