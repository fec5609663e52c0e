// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"time"

	"github.com/uspgate/uspgate/translate/agent"
)

// E2ESession is what Device.LocalAgent.Controller.{i}.E2ESession. says until a Controller
// sets it otherwise. Of a Controller what is empty or 0 is as under translate.
type E2ESession struct {
	Mode          string   `yaml:"mode" doc:"Session Contexts: require, allow or forbid; empty: allow"`
	MaxRecordSize Size     `yaml:"max_record_size" doc:"MaxUSPRecordSize: largest Record; larger Messages go in segments in a Session Context, and are refused outside; 0: any size"`
	Retransmit    int      `yaml:"max_retransmit_tries" doc:"how often a Record is sent again that did not arrive, up to 10"`
	Expiration    Duration `yaml:"expiration" doc:"how long a Session Context may be silent, in whole seconds; 0: for ever"`
}

// Signatures says what of the signatures of Records that are for Virtual Agents.
type Signatures struct {
	CA         string   `yaml:"ca" doc:"PEM file; with it signed Records are verified, and bad ones ignored"`
	CRL        []string `yaml:"crl" doc:"PEM or DER files; a signer whose certificate is in one is refused"`
	CRLExpired string   `yaml:"crl_expired" doc:"signers of a CA whose list is out of date: refuse or allow; empty: refuse"`
	Require    string   `yaml:"require" doc:"ignore Records that are not signed: never, unprotected, which is those of Controllers that come without TLS, or always; empty: never"`
}

// sessionModes are the words of mode, as in TR-181.
var sessionModes = map[string]string{ //nolint:gochecknoglobals // a constant
	"": "", "require": agent.SessionRequire, "allow": agent.SessionAllow, "forbid": agent.SessionForbid,
}

// signed are the words of require.
var signed = map[string]agent.Signed{ //nolint:gochecknoglobals // a constant
	"": agent.SignedNever, "never": agent.SignedNever,
	"unprotected": agent.SignedUnprotected, "always": agent.SignedAlways,
}

// Wants is require as package agent has it.
func (s *Signatures) Wants() agent.Signed { return signed[s.Require] }

// Or returns e, and what top says where it says nothing.
func (e E2ESession) Or(top E2ESession) E2ESession {
	if e.Mode == "" {
		e.Mode = top.Mode
	}
	if e.MaxRecordSize == 0 {
		e.MaxRecordSize = top.MaxRecordSize
	}
	if e.Retransmit == 0 {
		e.Retransmit = top.Retransmit
	}
	if e.Expiration == 0 {
		e.Expiration = top.Expiration
	}
	return e
}

// First is e as package agent has it.
func (e E2ESession) First() agent.E2ESession {
	return agent.E2ESession{
		Mode: sessionModes[e.Mode], MaxRecordSize: int(e.MaxRecordSize), MaxRetransmitTries: e.Retransmit,
		Expiration: time.Duration(e.Expiration),
	}
}

// records checks translate.e2e_session and translate.signatures, and what Controllers
// have of their own.
func (d *decoder) records(cfg *Config) {
	d.session("translate.e2e_session", cfg.Translate.E2ESession)
	for i, c := range cfg.Controllers {
		d.session(fmt.Sprintf("controllers[%d].e2e_session", i), c.E2ESession)
	}
	const path = "translate.signatures"
	s := &cfg.Translate.Signatures
	if _, ok := signed[s.Require]; !ok {
		d.oneOf(path+".require", s.Require, "never", "unprotected", "always")
	}
	if s.CRLExpired != "" {
		d.oneOf(path+".crl_expired", s.CRLExpired, "refuse", "allow")
	}
	if s.CA == "" && (s.Wants() != agent.SignedNever || len(s.CRL) > 0) {
		d.invalid(path+".ca", "without it no signature can be verified", "name the file with the CA of the Controllers")
	}
}

func (d *decoder) session(path string, e E2ESession) {
	if _, ok := sessionModes[e.Mode]; !ok {
		d.oneOf(path+".mode", e.Mode, "require", "allow", "forbid")
	}
	if n := e.MaxRecordSize; n != 0 && (n < agent.MinRecordSize || int64(n) > 1<<32-1) {
		d.invalid(path+".max_record_size", fmt.Sprintf("%d bytes, want %d at least", int64(n), agent.MinRecordSize),
			"write for example 64KiB, or 0 for any size")
	}
	if e.Retransmit > 10 {
		d.invalid(path+".max_retransmit_tries", "want 0 to 10", "write for example 3")
	}
	if rest := time.Duration(e.Expiration) % time.Second; rest != 0 {
		d.invalid(path+".expiration", "want whole seconds", "write for example 10m")
	}
}
