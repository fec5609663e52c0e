// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"hash"
	"io"
	"os"
	"time"
)

// state is what the files held at one time. It does not change.
type state struct {
	sum    [sha256.Size]byte // of all files
	cert   *tls.Certificate  // nil: none
	roots  *x509.CertPool    // nil: none named
	crls   []*crl
	server *tls.Config // for one handshake as server
	soft   bool        // Options.SoftCRL
}

// load reads all files, or says what is wrong with the first bad one.
func load(o *Options) (*state, error) {
	st := &state{soft: o.SoftCRL}
	sum := sha256.New()
	if o.Cert != "" {
		certPEM, err := read(sum, o.Cert)
		if err != nil {
			return nil, err
		}
		keyPEM, err := read(sum, o.Key)
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(certPEM, keyPEM)
		if err != nil {
			return nil, fmt.Errorf("pki: certificate %s with key %s: %w", o.Cert, o.Key, err)
		}
		st.cert = &pair
	}
	var authorities []*x509.Certificate
	if o.CA != "" {
		text, err := read(sum, o.CA)
		if err != nil {
			return nil, err
		}
		if authorities, err = certificates(text); err != nil {
			return nil, fmt.Errorf("pki: CA %s: %w", o.CA, err)
		}
		st.roots = x509.NewCertPool()
		for _, c := range authorities {
			st.roots.AddCert(c)
		}
	}
	for _, path := range o.CRL {
		text, err := read(sum, path)
		if err != nil {
			return nil, err
		}
		lists, err := parseCRLs(text, authorities)
		if err != nil {
			return nil, fmt.Errorf("pki: CRL %s: %w", path, err)
		}
		st.crls = append(st.crls, lists...)
	}
	sum.Sum(st.sum[:0])
	st.server = st.serverConfig(o)
	return st, nil
}

// read returns a file of at most MaxFile bytes and adds it to sum.
func read(sum hash.Hash, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	defer func() { _ = f.Close() }() // only read from
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("pki: %w", err)
	case len(text) > MaxFile:
		return nil, fmt.Errorf("pki: %s has more than %d MiB", path, MaxFile>>20)
	}
	one := sha256.Sum256(text) // so that no byte can move from one file to the next
	sum.Write(one[:])
	return text, nil
}

// certificates parses every certificate of a PEM file; there must be one.
func certificates(text []byte) ([]*x509.Certificate, error) {
	ders, err := blocks(text, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	if len(ders) == 0 {
		return nil, errNoPEM
	}
	out := make([]*x509.Certificate, len(ders))
	for i, der := range ders {
		if out[i], err = x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i+1, err)
		}
	}
	return out, nil
}

// blocks returns the content of every PEM block of the type. The library
// passes over blocks that it cannot read; here they are an error.
func blocks(text []byte, typ string) ([][]byte, error) {
	begun := bytes.Count(text, []byte("-----BEGIN "+typ+"-----"))
	var out [][]byte
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type == typ {
			out = append(out, block.Bytes)
		}
	}
	if len(out) != begun {
		return nil, fmt.Errorf("%d of %d blocks %s are not PEM", begun-len(out), begun, typ)
	}
	return out, nil
}

// notAfter is when the own certificate expires, zero without one.
func (st *state) notAfter() time.Time {
	if st.cert == nil {
		return time.Time{}
	}
	return st.cert.Leaf.NotAfter
}
