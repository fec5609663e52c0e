// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/coap"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
)

// coapServer is ours, on a free port.
func coapServer(t *testing.T, conf *tls.Config) (hub *mtptest.Recorder, addr string) {
	t.Helper()
	s, err := coap.NewServer(coap.ServerOptions{Listen: "127.0.0.1:0", TLS: conf, Role: usp.RoleAgent})
	if err != nil {
		t.Fatal(err)
	}
	hub = mtptest.NewRecorder(t)
	mtptest.Start(t, s, hub)
	return hub, s.Addr()
}

// coapClient has libcoap's client POST a file, and returns what it says.
func coapClient(t *testing.T, uri, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	args = append([]string{"-v", "7", "-B", "10", "-m", "post", "-f", name}, append(args, uri)...)
	out, err := exec.CommandContext(ctx, "coap-client-openssl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("coap-client: got %v, want nil; it said\n%s", err, out)
	}
	return string(out)
}

// TestLibcoapClient has libcoap's client send Records, small ones and by
// blocks, over UDP and DTLS [R-COAP.2, R-COAP.5, R-COAP.14].
func TestLibcoapClient(t *testing.T) {
	for _, size := range []int{1, 64 << 10} {
		rec := usp.NewNoSession(foreignAgent, foreignController, "", bytes.Repeat([]byte("x"), size))
		name := file(t, &rec)
		t.Run(fmt.Sprintf("UDP %d", size), func(t *testing.T) {
			hub, addr := coapServer(t, nil)
			uri := "coap://" + addr + "/usp?reply-to=coap://127.0.0.1:5683/usp"
			if out := coapClient(t, uri, name, "-t", "42", "-b", "1024"); !strings.Contains(out, "2.04") {
				t.Fatalf("coap-client: got\n%s\nwant a 2.04", out)
			}
			if got := hub.Link().Next(); !bytes.Equal(got.Record.Bytes(), rec.Bytes()) {
				t.Fatalf("Record: got %d bytes, want the same %d", got.Record.Len(), rec.Len())
			}
		})
		t.Run(fmt.Sprintf("DTLS %d", size), func(t *testing.T) {
			pki := newPKI(t)
			hub, addr := coapServer(t, pki.config(t, "gateway", foreignController))
			pki.config(t, "agent", foreignAgent)
			uri := "coaps://" + addr + "/usp?reply-to=coaps://127.0.0.1:5684/usp"
			out := coapClient(t, uri, name, "-t", "42", "-b", "512",
				"-c", pki.path("agent.pem"), "-j", pki.path("agent.key"), "-C", pki.path("ca.pem"))
			if !strings.Contains(out, "2.04") {
				t.Fatalf("coap-client: got\n%s\nwant a 2.04", out)
			}
			p := hub.Link()
			if got := p.Next(); !bytes.Equal(got.Record.Bytes(), rec.Bytes()) || p.Peer.Identity.One() != foreignAgent {
				t.Fatalf("Record: got %d bytes of %+v, want the same %d", got.Record.Len(), p.Peer.Identity, rec.Len())
			}
		})
	}
}

// TestLibcoapRefused: what libcoap's client is told when the Record is none.
func TestLibcoapRefused(t *testing.T) {
	rec := usp.NewNoSession(foreignAgent, foreignController, "", []byte("x"))
	name := file(t, &rec)
	_, addr := coapServer(t, nil)
	const replyTo = "?reply-to=coap://127.0.0.1/usp"
	for code, request := range map[string]struct{ target, format string }{
		"4.00": {"/usp", "42"},
		"4.04": {"/other" + replyTo, "42"},
		"4.15": {"/usp" + replyTo, "50"},
	} {
		out := coapClient(t, "coap://"+addr+request.target, name, "-t", request.format)
		if !strings.Contains(out, code) {
			t.Fatalf("%s: got\n%s\nwant %s", request.target, out, code)
		}
	}
}

// TestLibcoapServer: our client talks to libcoap's server, which knows no POST.
func TestLibcoapServer(t *testing.T) {
	probe, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(probe.LocalAddr().String())
	_ = probe.Close()
	server := exec.CommandContext(t.Context(), "coap-server-notls", "-A", "127.0.0.1", "-p", port)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = server.Process.Kill(), server.Wait() })
	c, err := coap.NewClient(coap.ClientOptions{
		URL: "coap://127.0.0.1:" + port + "/example_data", Listen: "127.0.0.1:0", Endpoint: foreignAgent,
		KeepAlive: time.Second, Retry: mtp.BackoffOptions{Interval: 50 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	hub := mtptest.NewRecorder(t)
	mtptest.Start(t, c, hub)
	north := hub.Link() // it has answered a ping
	for _, size := range []int{1, 5000} {
		north.Send(mtptest.Record(foreignAgent, foreignController, "x", size), mtp.Hint{})
		if got := north.Settlement().Err; !errors.Is(got, mtp.ErrUnroutable) {
			t.Fatalf("Settled: got %v, want %v for its 4.05", got, mtp.ErrUnroutable)
		}
	}
}

// pki is a CA with files of what it has signed.
type pki struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	p := &pki{dir: t.TempDir(), pool: x509.NewCertPool()}
	made := p.sign(t, "ca", &x509.Certificate{
		Subject: pkix.Name{CommonName: "interop CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	})
	p.cert, p.key = made.Leaf, made.PrivateKey.(*ecdsa.PrivateKey)
	p.pool.AddCert(p.cert)
	return p
}

func (p *pki) path(name string) string { return filepath.Join(p.dir, name) }

// config is that of an Endpoint [R-SEC.0a]; its files are name.pem and name.key.
func (p *pki) config(t *testing.T, name string, id usp.EndpointID) *tls.Config {
	t.Helper()
	cert := p.sign(t, name, &x509.Certificate{
		Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		URIs:        []*url.URL{{Scheme: "urn", Opaque: "bbf:usp:id:" + string(id)}},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	})
	return &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: p.pool, RootCAs: p.pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
}

func (p *pki) sign(t *testing.T, name string, c *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := p.cert, p.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(p.path(file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
