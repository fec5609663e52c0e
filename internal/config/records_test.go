// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/translate/agent"
)

func TestRecords(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ yaml, want string }{
		{"translate: {e2e_session: {mode: require, max_record_size: 64KiB, max_retransmit_tries: 3, expiration: 10m}}", ""},
		{"controllers: [{endpoint_id: self::a, e2e_session: {mode: forbid}}]", ""},
		{"translate: {e2e_session: {mode: requires}}", `translate.e2e_session.mode: "requires" is not known`},
		{"translate: {e2e_session: {max_record_size: 511}}", "translate.e2e_session.max_record_size: 511 bytes"},
		{"translate: {e2e_session: {max_retransmit_tries: 11}}", "translate.e2e_session.max_retransmit_tries"},
		{"translate: {e2e_session: {expiration: 1500ms}}", "translate.e2e_session.expiration"},
		{"controllers: [{endpoint_id: self::a, e2e_session: {mode: no}}]", "controllers[0].e2e_session.mode"},
		{"translate: {signatures: {ca: ca.pem, crl: [a.crl], crl_expired: allow, require: unprotected}}", ""},
		{"translate: {signatures: {ca: ca.pem, require: sometimes}}", "translate.signatures.require"},
		{"translate: {signatures: {require: always}}", "translate.signatures.ca: without it"},
		{"translate: {signatures: {crl: [a.crl]}}", "translate.signatures.ca: without it"},
		{"translate: {signatures: {ca: ca.pem, crl_expired: ignore}}", "translate.signatures.crl_expired"},
	} {
		_, err := config.Parse("f.yaml", []byte(tc.yaml), nil)
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: got %v, want nil", tc.yaml, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: got %v, want %s", tc.yaml, err, tc.want)
		}
	}
}

// What a Controller has not of its own is as under translate.
func TestSessionOfController(t *testing.T) {
	t.Parallel()
	top := config.E2ESession{
		Mode: "require", MaxRecordSize: 1000, Retransmit: 3, Expiration: config.Duration(time.Minute),
	}
	want := agent.E2ESession{
		Mode: agent.SessionForbid, MaxRecordSize: 2000, MaxRetransmitTries: 3, Expiration: time.Minute,
	}
	if got := (config.E2ESession{Mode: "forbid", MaxRecordSize: 2000}).Or(top).First(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
