// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/e2e"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// signer has a key, and a certificate that another one has issued, or it itself.
type signer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newSigner(t *testing.T, serial int64, by *signer, id string) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "signer"},
		IsCA: id == "", BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
	}
	if id != "" {
		c.URIs = []*url.URL{{Scheme: "urn", Opaque: "bbf:usp:id:" + id}}
	}
	s := &signer{c, key}
	if by == nil {
		by = s
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by.cert, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	if s.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return s
}

// A signed Record of a Controller with a Credential is taken if it is signed by that, or by
// a certificate of this Controller that it has issued; any other is ignored.
func TestSignaturesByTheCredentialOfAController(t *testing.T) {
	t.Parallel()
	ca := newSigner(t, 1, nil, "")
	own, others := newSigner(t, 2, ca, "self::ctl"), newSigner(t, 3, ca, "self::other")
	stranger := newSigner(t, 4, nil, "self::ctl")
	for name, c := range map[string]struct {
		stored, by *signer
		taken      bool
	}{
		"its own":                {own, own, true},
		"issued for it":          {ca, own, true},
		"issued for another":     {ca, others, false},
		"of another with the ID": {own, stranger, false},
		"not the stored one":     {others, own, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "tr181", "controllers=self::ctl")
				defer r.stop()
				text := base64.StdEncoding.EncodeToString(c.stored.cert.Raw)
				asker(r)("self::ctl", "Operate", "Device.LocalAgent.Controller.1.AddMyCertificate()", "Certificate="+text)
				r.takeTranscript()
				payload, err := proto.Marshal(&uspmsg.Msg{
					Header: &uspmsg.Header{MsgId: "signed"}, Body: parseRequest(t, []string{"Get", "Device.LocalAgent.EndpointID"}),
				})
				if err != nil {
					t.Fatal(err)
				}
				rec, err := e2e.Sign(usp.NewNoSession("self::ctl", r.agent.EndpointID(), "1.3", payload), c.by.key,
					pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.by.cert.Raw}))
				if err != nil {
					t.Fatal(err)
				}
				if err := r.host.Deliver(rec, nil); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got := r.takeTranscript(); strings.Contains(got, "GetResp msg_id=signed") != c.taken {
					t.Errorf("got %q, want an answer %t", got, c.taken)
				}
			})
		})
	}
}
