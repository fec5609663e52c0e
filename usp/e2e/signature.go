// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/usprecord"
)

// maxChain is how many certificates a sender_cert may have.
const maxChain = 8

// ErrSignature is wrapped by every error of Verify.
var ErrSignature = errors.New("e2e: the signature of the Record is not valid")

// Digest is the SHA-256 of what a signature covers: the fields of the Record, and of
// its SessionContextRecord, that are not payload, in the order of their numbers and
// without mac_signature [R-E2E.32, R-E2E.32.1].
func Digest(r *usprecord.Record) [sha256.Size]byte {
	var b []byte
	b = append(b, r.GetVersion()...)
	b = append(b, r.GetToId()...)
	b = append(b, r.GetFromId()...)
	b = binary.BigEndian.AppendUint32(b, uint32(r.GetPayloadSecurity()))
	b = append(b, r.GetSenderCert()...)
	if p := r.GetSessionContext(); p != nil {
		b = binary.BigEndian.AppendUint64(b, p.GetSessionId())
		b = binary.BigEndian.AppendUint64(b, p.GetSequenceId())
		b = binary.BigEndian.AppendUint64(b, p.GetExpectedId())
		b = binary.BigEndian.AppendUint64(b, p.GetRetransmitId())
		b = binary.BigEndian.AppendUint32(b, uint32(p.GetPayloadSarState()))
		b = binary.BigEndian.AppendUint32(b, uint32(p.GetPayloadrecSarState()))
	}
	return sha256.Sum256(b)
}

// Sign returns rec with the certificate chain, PEM, as its sender_cert, signed with key
// as ECDSA_P256_SHA256_ASN1 [R-E2E.31]. What sender_cert and mac_signature it had is
// replaced.
func Sign(rec usp.Record, key *ecdsa.PrivateKey, chain []byte) (usp.Record, error) {
	if key.Curve != elliptic.P256() {
		return usp.Record{}, errors.New("e2e: the key is not one of P-256")
	}
	var r usprecord.Record
	if err := proto.Unmarshal(rec.Bytes(), &r); err != nil {
		return usp.Record{}, fmt.Errorf("e2e: %w", err)
	}
	r.SenderCert = chain
	sum := Digest(&r)
	var err error
	if r.MacSignature, err = key.Sign(rand.Reader, sum[:], crypto.SHA256); err != nil {
		return usp.Record{}, fmt.Errorf("e2e: %w", err)
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(&r)
	if err != nil {
		return usp.Record{}, fmt.Errorf("e2e: %w", err)
	}
	return usp.NewRecord(raw) //nolint:wrapcheck // it was a Record before
}

// Verify checks the signature of rec against its sender_cert, and returns the
// certificates of that: the signer's and those above it. Whether the signer is to be
// trusted, and is from_id, is for the caller to say. The error wraps ErrSignature, also
// where there is no signature.
func Verify(rec usp.Record) ([]*x509.Certificate, error) {
	if !rec.Header().Signed {
		return nil, fmt.Errorf("%w: there is none", ErrSignature)
	}
	var r usprecord.Record
	if err := proto.Unmarshal(rec.Bytes(), &r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	chain, err := certificates(r.GetSenderCert())
	if err != nil {
		return nil, err
	}
	key, ok := chain[0].PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: the key of the sender_cert is not one of P-256", ErrSignature)
	}
	sum := Digest(&r)
	if !ecdsa.VerifyASN1(key, sum[:], r.GetMacSignature()) {
		return nil, fmt.Errorf("%w: it is not that of the sender_cert over these fields", ErrSignature)
	}
	return chain, nil
}

// certificates reads a sender_cert: one certificate at least.
func certificates(text []byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if len(chain) == maxChain {
			return nil, fmt.Errorf("%w: more than %d certificates", ErrSignature, maxChain)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: sender_cert: %w", ErrSignature, err)
		}
		chain = append(chain, cert)
	}
	if len(chain) == 0 {
		return nil, fmt.Errorf("%w: no sender_cert", ErrSignature)
	}
	return chain, nil
}
