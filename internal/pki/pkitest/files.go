// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package pkitest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

// WritePair writes a certificate with its chain and its key as PEM into the
// directory and returns their paths, NAME.pem and NAME-key.pem.
func WritePair(tb testing.TB, dir, name string, c tls.Certificate) (certFile, keyFile string) {
	tb.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		tb.Fatalf("pkitest: got %v, want nil", err)
	}
	var chain bytes.Buffer
	for _, one := range c.Certificate {
		chain.Write(PEM("CERTIFICATE", one))
	}
	certFile, keyFile = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem")
	Write(tb, keyFile, PEM("PRIVATE KEY", der))
	Write(tb, certFile, chain.Bytes())
	return certFile, keyFile
}

// WriteCA writes the certificates of authorities as PEM and returns the path,
// NAME.pem.
func WriteCA(tb testing.TB, dir, name string, authorities ...*Authority) string {
	tb.Helper()
	var text bytes.Buffer
	for _, a := range authorities {
		text.Write(PEM("CERTIFICATE", a.Cert.Raw))
	}
	path := filepath.Join(dir, name+".pem")
	Write(tb, path, text.Bytes())
	return path
}

// WriteCRL writes the present CRL of each authority into one PEM file and
// returns the path, NAME.crl.
func WriteCRL(tb testing.TB, dir, name string, authorities ...*Authority) string {
	tb.Helper()
	var text bytes.Buffer
	for _, a := range authorities {
		text.Write(PEM("X509 CRL", a.CRL()))
	}
	path := filepath.Join(dir, name+".crl")
	Write(tb, path, text.Bytes())
	return path
}

// Write replaces a file at once, as a careful tool does.
func Write(tb testing.TB, path string, text []byte) {
	tb.Helper()
	next := path + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		tb.Fatalf("pkitest: got %v, want nil", err)
	}
	if err := os.Rename(next, path); err != nil {
		tb.Fatalf("pkitest: got %v, want nil", err)
	}
}

// PEM encodes one block.
func PEM(typ string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der})
}
