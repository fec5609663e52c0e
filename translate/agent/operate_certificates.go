// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/sha1" // an algorithm that a Controller may ask for
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"strings"

	"github.com/uspgate/uspgate/usp"
)

// addCertificateCommand is LocalAgent.AddCertificate() (TP-469 9.2).
func addCertificateCommand() *command {
	return &command{
		name: "AddCertificate()", in: []string{"Alias", "Certificate"}, required: []string{"Certificate"},
		run: func(a *Agent, c *call) { a.addCertificateFor(c, "") },
	}
}

// addMyCertificateCommand is Controller.{i}.AddMyCertificate(), for that Controller alone.
func addMyCertificateCommand() *command {
	return &command{
		name: "AddMyCertificate()", in: []string{"Alias", "Certificate"}, required: []string{"Certificate"},
		run: (*Agent).operateAddMyCertificate,
	}
}

func (a *Agent) operateAddMyCertificate(c *call) {
	a.lock()
	own := a.controllerRow(c.r.from) == c.object
	a.unlock()
	if !own {
		c.err = invalid(usp.CodeCommandFailure, "", "only the Controller itself adds its certificate")
		return
	}
	a.addCertificateFor(c, c.object)
}

// addCertificateFor adds a certificate, and names it in the Credential of the row of a
// Controller, unless that is empty.
func (a *Agent) addCertificateFor(c *call, controller string) {
	a.lock()
	defer a.unlock()
	t := a.local.begin()
	row, err := t.addCertificate(c.args["Certificate"], c.args["Alias"])
	if err != nil {
		t.rollback()
		c.err = err
		return
	}
	if controller != "" {
		refs := append(references(a.local.get(controller+"Credential")), strings.TrimSuffix(row, "."))
		t.set(controller+"Credential", strings.Join(refs, ","))
	}
	t.commit()
}

func (a *Agent) operateDeleteCertificate(c *call) {
	a.lock()
	defer a.unlock()
	t := a.local.begin()
	t.remove(c.object)
	t.commit()
}

// getFingerprintCommand is Certificate.{i}.GetFingerprint().
func getFingerprintCommand() *command {
	return &command{
		name: "GetFingerprint()", in: []string{"FingerprintAlgorithm"}, out: []string{"Fingerprint"},
		required: []string{"FingerprintAlgorithm"}, run: (*Agent).operateGetFingerprint,
	}
}

// fingerprintAlgorithms is SupportedFingerprintAlgorithms.
const fingerprintAlgorithms = "SHA-1,SHA-224,SHA-256,SHA-384,SHA-512"

func (a *Agent) operateGetFingerprint(c *call) {
	a.lock()
	der := a.local.certificate(c.object)
	a.unlock()
	var sum []byte
	switch c.args["FingerprintAlgorithm"] {
	case "SHA-1":
		s := sha1.Sum(der)
		sum = s[:]
	case "SHA-224":
		s := sha256.Sum224(der)
		sum = s[:]
	case "SHA-256":
		s := sha256.Sum256(der)
		sum = s[:]
	case "SHA-384":
		s := sha512.Sum384(der)
		sum = s[:]
	case "SHA-512":
		s := sha512.Sum512(der)
		sum = s[:]
	default:
		c.err = invalid(usp.CodeInvalidCommandArgs, "", "FingerprintAlgorithm: want one of "+fingerprintAlgorithms)
		return
	}
	c.output = map[string]string{"Fingerprint": hex.EncodeToString(sum)}
}
