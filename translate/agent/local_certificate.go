// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"slices"
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

const certificateTable = localRoot + "Certificate."

// hiddenDER holds a certificate, base64: stored with its row, and no parameter of it.
const hiddenDER = "+DER"

// Bounds of the Certificate table of one Agent, and of the text of one certificate.
const (
	maxCertificates    = 16
	maxCertificateText = 16 << 10
)

// certificateObjects is Device.LocalAgent.Certificate.: certificates of Controllers, and of
// those who issue them, that Controllers have added. What an MTP trusts is in the
// configuration and not here: a certificate here says who of those that the MTP has
// let in is whom, see trusted.go.
func certificateObjects() []*localObject {
	o := obj(certificateTable+"{i}.",
		alias(),
		rw("Enable", path.TypeBoolean, "true"),
		ro("SerialNumber", path.TypeString, ""),
		ro("Issuer", path.TypeString, ""),
	).keyed([]string{"SerialNumber", "Issuer"}, []string{"Alias"})
	o.commands = []*command{
		{name: "Delete()", run: (*Agent).operateDeleteCertificate},
		getFingerprintCommand(),
	}
	return []*localObject{o}
}

// errNoCertificate is what parseCertificate fails with.
var errNoCertificate = errors.New("no X.509 certificate, as PEM or its base64")

// parseCertificate reads one certificate: as PEM, or the base64 of its DER.
func parseCertificate(text string) (*x509.Certificate, error) {
	if len(text) > maxCertificateText {
		return nil, errNoCertificate
	}
	var der []byte
	if block, _ := pem.Decode([]byte(text)); block != nil {
		if block.Type != "CERTIFICATE" {
			return nil, errNoCertificate
		}
		der = block.Bytes
	} else {
		var err error
		if der, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), "")); err != nil {
			return nil, errNoCertificate
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errNoCertificate
	}
	return cert, nil
}

// serialText is a serial number in hex, an octet each.
func serialText(cert *x509.Certificate) string {
	var octets []string
	for _, b := range cert.SerialNumber.Bytes() {
		octets = append(octets, strings.ToUpper(hex.EncodeToString([]byte{b})))
	}
	return strings.Join(octets, ":")
}

// addCertificate makes the row of a certificate, named alias unless that is empty. The lock
// is held.
func (t *tx) addCertificate(text, alias string) (row string, fail *usp.Error) {
	cert, err := parseCertificate(text)
	switch {
	case err != nil:
		return "", invalid(usp.CodeInvalidCommandArgs, "", "Certificate: "+err.Error())
	case len(t.l.rows[certificateTable]) >= maxCertificates:
		return "", invalid(usp.CodeResourcesExceeded, "", "too many certificates")
	case len(cert.Issuer.String()) > 256 || len(serialText(cert)) > 64:
		return "", invalid(usp.CodeInvalidCommandArgs, "", "Certificate: its issuer or serial number is too long")
	}
	row = t.add(certificateTable, "")
	t.set(row+"SerialNumber", serialText(cert))
	t.set(row+"Issuer", cert.Issuer.String())
	t.set(row+hiddenDER, base64.StdEncoding.EncodeToString(cert.Raw))
	if alias != "" {
		if fail = t.l.checkSet(row, "Alias", alias, true); fail == nil {
			t.set(row+"Alias", alias)
		}
	}
	if fail == nil {
		fail = t.l.checkRow(row)
	}
	if fail != nil {
		return "", invalid(usp.CodeInvalidCommandArgs, "", fail.Text)
	}
	return row, nil
}

// certificate returns the DER of a certificate, nil if there is none.
func (l *local) certificate(row string) []byte {
	der, err := base64.StdEncoding.DecodeString(l.values[row+hiddenDER])
	if err != nil {
		return nil
	}
	return der
}

// fingerprints of those of the certificates that are enabled.
func (l *local) fingerprints(refs []string) []Fingerprint {
	list := []Fingerprint{}
	for _, ref := range refs {
		if der := l.certificate(ref + "."); len(der) > 0 && l.isTrue(ref+".Enable") {
			list = append(list, sha256.Sum256(der))
		}
	}
	return list
}

// areCertificates refuses what is no list of certificates.
func (l *local) areCertificates(param string, refs []string) *usp.Error {
	if len(refs) > maxCertificates {
		return invalid(usp.CodeResourcesExceeded, param, "too many certificates")
	}
	for _, ref := range refs {
		if tableOf(ref+".") != certificateTable || !l.exists(ref+".") {
			return invalid(usp.CodeInvalidValue, param, ref+" is no Certificate")
		}
	}
	return nil
}

// forgetCertificate takes a certificate that is going to be removed from where it is named.
func (t *tx) forgetCertificate(row string) {
	ref := strings.TrimSuffix(row, ".")
	t.l.each(controllerTable, func(c string) {
		refs := references(t.l.get(c + "Credential"))
		if slices.Contains(refs, ref) {
			rest := without(refs, func(r string) bool { return r == ref })
			t.set(c+"Credential", strings.Join(rest, ","))
		}
	})
	for _, c := range rowsOf(t.l, credentialTable) {
		if t.l.get(c+"Credential") == ref {
			t.remove(c)
		}
	}
}
