// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/e2e"
	"github.com/uspgate/uspgate/usp/usprecord"
)

// signer makes a key with its certificate.
func signer(t *testing.T, curve elliptic.Curve) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// What is signed, byte by byte [R-E2E.32, R-E2E.32.1].
func TestDigest(t *testing.T) {
	t.Parallel()
	r := &usprecord.Record{
		Version: "1.4", ToId: "a", FromId: "b", MacSignature: []byte("not this"), SenderCert: []byte("cert"),
	}
	for name, tt := range map[string]struct {
		change func()
		want   string // of sha256sum
	}{
		"without session context": {
			func() { r.RecordType = nil },
			// printf '1.4ab\0\0\0\0cert' | sha256sum
			"e92b3b175b1aee26896496445521ceee617940059d001348edfd154c212011ec",
		},
		"with session context": {
			func() {
				r.RecordType = &usprecord.Record_SessionContext{SessionContext: &usprecord.SessionContextRecord{
					SessionId: 7, SequenceId: 1, ExpectedId: 2, RetransmitId: 3, PayloadSarState: 1, PayloadrecSarState: 2,
					Payload: [][]byte{[]byte("nor this")},
				}}
			},
			"caee34e9d19522b5e3d029fd359fb9387315b650c7d557da576024972dd6c480",
		},
	} {
		tt.change()
		if got := e2e.Digest(r); hex.EncodeToString(got[:]) != tt.want {
			t.Errorf("%s: got %x, want %s", name, got, tt.want)
		}
	}
}

func TestSignature(t *testing.T) {
	t.Parallel()
	key, cert := signer(t, elliptic.P256())
	for _, rec := range []usp.Record{
		usp.NewNoSession(controller, agent, "", []byte("message")),
		context(t, &usprecord.SessionContextRecord{SessionId: 7, SequenceId: 1, ExpectedId: 1}),
	} {
		signed, err := e2e.Sign(rec, key, cert)
		if err != nil {
			t.Fatal(err)
		}
		chain, err := e2e.Verify(signed)
		if err != nil || !key.PublicKey.Equal(chain[0].PublicKey) {
			t.Fatalf("Verify: got %v, %v, want the certificate of the signer", chain, err)
		}
		again, err := e2e.Sign(signed, key, cert)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e2e.Verify(again); err != nil {
			t.Errorf("signed twice: got %v", err)
		}
		payload := changed(t, signed, func(r *usprecord.Record) {
			r.RecordType = &usprecord.Record_NoSessionContext{
				NoSessionContext: &usprecord.NoSessionContextRecord{Payload: []byte("another")},
			}
		})
		if _, err := e2e.Verify(payload); rec.Header().Type == usp.RecordNoSession && err != nil {
			t.Errorf("another payload: got %v, want no error, for it is not signed", err)
		}
	}
}

func changed(t *testing.T, rec usp.Record, change func(*usprecord.Record)) usp.Record {
	t.Helper()
	var r usprecord.Record
	if err := proto.Unmarshal(rec.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	change(&r)
	return encoded(t, &r)
}

func TestBadSignatures(t *testing.T) {
	t.Parallel()
	key, cert := signer(t, elliptic.P256())
	_, foreign := signer(t, elliptic.P256())
	_, large := signer(t, elliptic.P384())
	const notIts = "not that of the sender_cert"
	rec := context(t, &usprecord.SessionContextRecord{SessionId: 7, SequenceId: 1, ExpectedId: 1})
	rec, err := e2e.Sign(rec, key, cert)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*usprecord.Record)
		want   string
	}{
		"none":             {func(r *usprecord.Record) { r.MacSignature = nil }, "there is none"},
		"no bytes of one":  {func(r *usprecord.Record) { r.MacSignature = []byte("x") }, notIts},
		"version":          {func(r *usprecord.Record) { r.Version = "1.3" }, notIts},
		"to_id":            {func(r *usprecord.Record) { r.ToId = "os::ACDE48-2" }, notIts},
		"from_id":          {func(r *usprecord.Record) { r.FromId = "self::d" }, notIts},
		"payload_security": {func(r *usprecord.Record) { r.PayloadSecurity = 1 }, notIts},
		"session_id":       {func(r *usprecord.Record) { r.GetSessionContext().SessionId++ }, notIts},
		"sequence_id":      {func(r *usprecord.Record) { r.GetSessionContext().SequenceId++ }, notIts},
		"sar":              {func(r *usprecord.Record) { r.GetSessionContext().PayloadSarState = 1 }, notIts},
		"no certificate":   {func(r *usprecord.Record) { r.SenderCert = []byte("x") }, "no sender_cert"},
		"no X.509": {func(r *usprecord.Record) {
			r.SenderCert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})
		}, "sender_cert"},
		"another certificate": {func(r *usprecord.Record) { r.SenderCert = foreign }, notIts},
		"another curve":       {func(r *usprecord.Record) { r.SenderCert = large }, "P-256"},
		"too many certificates": {func(r *usprecord.Record) {
			r.SenderCert = []byte(strings.Repeat(string(cert), 9))
		}, "more than 8"},
	} {
		_, err := e2e.Verify(changed(t, rec, tt.change))
		if !errors.Is(err, e2e.ErrSignature) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want an ErrSignature that says %q", name, err, tt.want)
		}
	}
	p384, _ := signer(t, elliptic.P384())
	if _, err := e2e.Sign(rec, p384, cert); err == nil {
		t.Error("Sign with a key of P-384: got no error")
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"), []byte{0x30, 0})
	f.Fuzz(func(t *testing.T, cert, signature []byte) {
		rec := encoded(t, &usprecord.Record{
			Version: "1.4", ToId: string(agent), FromId: string(controller), MacSignature: signature, SenderCert: cert,
			RecordType: &usprecord.Record_UdsConnect{UdsConnect: &usprecord.UDSConnectRecord{}},
		})
		if chain, err := e2e.Verify(rec); err == nil || chain != nil || !errors.Is(err, e2e.ErrSignature) {
			t.Errorf("got %v, %v, want an ErrSignature", chain, err)
		}
	})
}
