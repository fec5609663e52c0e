// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/pki"
	"github.com/uspgate/uspgate/internal/pki/pkitest"
	"github.com/uspgate/uspgate/usp"
)

// peer is a client of all with a certificate.
func (s *set) peer(version uint16, cert ...tls.Certificate) *tls.Config {
	return &tls.Config{
		RootCAs: s.ca.Pool(), ServerName: "localhost", Certificates: cert, MinVersion: tls.VersionTLS10,
		MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(4),
	}
}

// versions are those of TLS that are offered [R-MTP.0].
func versions() map[string]uint16 {
	return map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}
}

// TestRevokedClient: once its certificate is on the CRL a client is out, with a
// new handshake as with the ticket of a session from before.
func TestRevokedClient(t *testing.T) {
	t.Parallel()
	for name, version := range versions() {
		all := newSet(t)
		s := source(t, pki.Options{Files: all.files})
		server, bad, good := s.ServerConfig(), all.ca.Issue(), all.ca.Issue()
		returning, other := all.peer(version, bad), all.peer(version, good)
		if got := meet(t, server, returning); !got.ok() || got.resumed {
			t.Fatalf("%s, first: got %+v, want a full handshake", name, got)
		}
		for range 2 { // tickets are used once
			if got := meet(t, server, returning); !got.ok() || !got.resumed {
				t.Fatalf("%s, second: got %v, %v, resumed %v, want resumed", name, got.server, got.client, got.resumed)
			}
		}
		all.ca.Revoke(bad.Leaf)
		pkitest.WriteCRL(t, filepath.Dir(all.files.CA), "ca", all.ca)
		reload(t, s)
		if got := meet(t, server, returning); !errors.Is(got.server, pki.ErrRevoked) || got.client == nil {
			t.Errorf("%s, resumed: got %v, %v, want revoked", name, got.server, got.client)
		}
		if got := meet(t, server, all.peer(version, bad)); !errors.Is(got.server, pki.ErrRevoked) || got.client == nil {
			t.Errorf("%s, anew: got %v, %v, want revoked", name, got.server, got.client)
		}
		if got := meet(t, server, other); !got.ok() {
			t.Errorf("%s, another: got %v, %v, want nil", name, got.server, got.client)
		}
	}
}

// TestChangedCA: who was trusted by the CA of before is not by that of now, not
// even with a ticket; who is trusted now gets in.
func TestChangedCA(t *testing.T) {
	t.Parallel()
	for name, version := range versions() {
		all, next := newSet(t), pkitest.NewAuthority(t, "next")
		all.files.CRL = nil
		s := source(t, pki.Options{Files: all.files})
		server, returning := s.ServerConfig(), all.peer(version, all.ca.Issue())
		for _, resumed := range []bool{false, true} {
			if got := meet(t, server, returning); !got.ok() || got.resumed != resumed {
				t.Fatalf("%s: got %v, %v, resumed %v, want %v", name, got.server, got.client, got.resumed, resumed)
			}
		}
		pkitest.WriteCA(t, filepath.Dir(all.files.CA), "ca", next)
		reload(t, s)
		if got := meet(t, server, returning); got.server == nil || got.client == nil {
			t.Errorf("%s, of before: got %v, %v, want errors", name, got.server, got.client)
		}
		if got := meet(t, server, all.peer(version, next.Issue())); !got.ok() {
			t.Errorf("%s, of now: got %v, %v, want nil", name, got.server, got.client)
		}
	}
}

// TestConnectionOutlivesReload: what is up is left alone.
func TestConnectionOutlivesReload(t *testing.T) {
	t.Parallel()
	all := newSet(t)
	s := source(t, pki.Options{Files: all.files})
	a, b := pair(t)
	bad := all.ca.Issue()
	server, client := tls.Server(a, s.ServerConfig()), tls.Client(b, all.peer(tls.VersionTLS13, bad))
	failed := make(chan error, 2)
	go func() { failed <- copyBack(server) }()
	exchange := func() {
		t.Helper()
		if _, err := client.Write([]byte{7}); err != nil {
			t.Fatalf("write: got %v, want nil", err)
		}
		if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
			t.Fatalf("read: got %v, want nil", err)
		}
	}
	exchange()
	all.ca.Revoke(bad.Leaf)
	pkitest.WriteCRL(t, filepath.Dir(all.files.CA), "ca", all.ca)
	reload(t, s)
	exchange()
	_ = b.Close()
	<-failed
}

// pair is a connection that both ends can write to at the same time.
func pair(t *testing.T) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: got %v, want nil", err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatalf("dial: got %v, want nil", err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatalf("accept: got %v, want nil", err)
	}
	for _, c := range []net.Conn{server, client} {
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	}
	return server, client
}

func copyBack(c net.Conn) error {
	_, err := io.Copy(c, c)
	return err
}

// TestChain: a CRL for every certificate below the trusted one.
func TestChain(t *testing.T) {
	t.Parallel()
	root := pkitest.NewAuthority(t, "root")
	middle := root.Intermediate("middle")
	client, revoked := middle.Issue(), middle.Issue()
	gone := root.Intermediate("gone")
	root.Revoke(gone.Cert)
	middle.Revoke(revoked.Leaf)
	past := time.Now().Add(-time.Minute)
	old := func(a *pkitest.Authority) []byte { return a.CRLAs(&x509.RevocationList{NextUpdate: past}) }
	vectors := []struct {
		name string
		crls [][]byte
		cert tls.Certificate
		soft bool
		want error
	}{
		{"both lists", [][]byte{root.CRL(), middle.CRL()}, client, false, nil},
		{"none of the intermediate", [][]byte{root.CRL()}, client, false, pki.ErrNoCRL},
		{"none of the root", [][]byte{middle.CRL()}, client, false, pki.ErrNoCRL},
		{"none of the root, soft", [][]byte{middle.CRL()}, client, true, nil},
		{"leaf revoked", [][]byte{root.CRL(), middle.CRL()}, revoked, false, pki.ErrRevoked},
		{"leaf revoked, soft", [][]byte{middle.CRL()}, revoked, true, pki.ErrRevoked},
		{"intermediate revoked", [][]byte{root.CRL(), gone.CRL()}, gone.Issue(), false, pki.ErrRevoked},
		{"out of date", [][]byte{root.CRL(), old(middle)}, client, false, pki.ErrNoCRL},
		{"out of date, soft", [][]byte{root.CRL(), old(middle)}, client, true, nil},
		{"out of date and revoked, soft", [][]byte{root.CRL(), old(middle)}, revoked, true, pki.ErrRevoked},
		{"out of date beside one in date", [][]byte{root.CRL(), old(middle), middle.CRL()}, client, false, nil},
		{"not yet in date", [][]byte{root.CRL(), middle.CRLAs(&x509.RevocationList{
			ThisUpdate: time.Now().Add(time.Hour), NextUpdate: time.Now().Add(2 * time.Hour),
		})}, client, false, pki.ErrNoCRL},
		{
			"of another of the intermediate's name",
			[][]byte{root.CRL(), pkitest.NewAuthority(t, "middle").CRL()},
			client, false, pki.ErrNoCRL,
		},
	}
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			f := pki.Files{CA: pkitest.WriteCA(t, dir, "ca", root)}
			f.Cert, f.Key = pkitest.WritePair(t, dir, "tls", root.Issue())
			for i, der := range v.crls { // in DER, one per file
				f.CRL = append(f.CRL, filepath.Join(dir, string(rune('a'+i))+".crl"))
				pkitest.Write(t, f.CRL[i], der)
			}
			s := source(t, pki.Options{Files: f, SoftCRL: v.soft})
			all := &set{ca: root}
			got := meet(t, s.ServerConfig(), all.peer(0, v.cert))
			if !errors.Is(got.server, v.want) || (got.client == nil) != (v.want == nil) {
				t.Errorf("got %v, %v, want %v", got.server, got.client, v.want)
			}
		})
	}
}

// TestClientAuth: with a CA each client needs a certificate, unless that is
// optional; what is given must be good in both cases.
func TestClientAuth(t *testing.T) {
	t.Parallel()
	all := newSet(t)
	foreign := pkitest.NewAuthority(t, "foreign").Issue()
	open := all.files
	open.CA, open.CRL = "", nil
	vectors := []struct {
		name  string
		o     pki.Options
		certs []tls.Certificate
		want  bool
	}{
		{"required and given", pki.Options{Files: all.files}, []tls.Certificate{all.ca.Issue()}, true},
		{"required and missing", pki.Options{Files: all.files}, nil, false},
		{"required and foreign", pki.Options{Files: all.files}, []tls.Certificate{foreign}, false},
		{"optional and missing", pki.Options{Files: all.files, OptionalClient: true}, nil, true},
		{"optional and foreign", pki.Options{Files: all.files, OptionalClient: true}, []tls.Certificate{foreign}, false},
		{"not asked for", pki.Options{Files: open}, []tls.Certificate{foreign}, true},
	}
	for _, v := range vectors {
		client := all.peer(0)
		client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if len(v.certs) == 0 {
				return new(tls.Certificate), nil
			}
			return &v.certs[0], nil // also if the server names other CAs
		}
		if got := meet(t, source(t, v.o).ServerConfig(), client); got.ok() != v.want {
			t.Errorf("%s: got %v, %v, want success %v", v.name, got.server, got.client, v.want)
		}
	}
}

// TestVersion_R_MTP_0: nothing older than TLS 1.2, 1.3 where that is wanted.
func TestVersion_R_MTP_0(t *testing.T) {
	t.Parallel()
	all := newSet(t)
	vectors := []struct {
		least, most uint16
		want        bool
	}{
		{0, tls.VersionTLS11, false},
		{0, tls.VersionTLS12, true},
		{tls.VersionTLS12, tls.VersionTLS13, true},
		{tls.VersionTLS13, tls.VersionTLS12, false},
		{tls.VersionTLS13, tls.VersionTLS13, true},
	}
	for _, v := range vectors {
		s := source(t, pki.Options{Files: all.files, MinVersion: v.least})
		if got := meet(t, s.ServerConfig(), all.peer(v.most, all.ca.Issue())); got.ok() != v.want {
			t.Errorf("server from %x, client to %x: got %v, want success %v", v.least, v.most, got.client, v.want)
		}
		theirs := &tls.Config{Certificates: []tls.Certificate{all.leaf}, MinVersion: tls.VersionTLS10, MaxVersion: v.most}
		if got := meet(t, theirs, s.ClientConfig("localhost", "")); got.ok() != v.want {
			t.Errorf("client from %x, server to %x: got %v, want success %v", v.least, v.most, got.client, v.want)
		}
	}
}

// TestServerVerified_R_MTP_4: a client believes a server whose certificate is
// good and names the host or the Endpoint.
func TestServerVerified_R_MTP_4(t *testing.T) {
	t.Parallel()
	all := newSet(t)
	nameless := func(ids ...string) tls.Certificate {
		return all.ca.IssueAs(&x509.Certificate{DNSNames: []string{}}, ids...)
	}
	revoked := all.ca.Issue("self::c")
	all.ca.Revoke(revoked.Leaf)
	pkitest.WriteCRL(t, filepath.Dir(all.files.CA), "ca", all.ca)
	s := source(t, pki.Options{Files: all.files})
	vectors := []struct {
		name string
		cert tls.Certificate
		host string
		peer usp.EndpointID
		want bool
	}{
		{"its name", all.ca.Issue(), "localhost", "", true},
		{"its address", all.ca.Issue(), "127.0.0.1", "", true},
		{"another name", all.ca.Issue(), "example.org", "", false},
		{"no name", nameless(), "localhost", "", false},
		{"the Endpoint", nameless("self::c"), "localhost", "self::c", true},
		{"the Endpoint, nobody expected", nameless("self::c"), "localhost", "", false},
		{"another Endpoint", nameless("self::d"), "localhost", "self::c", false},
		{"home network", nameless(), "controller.local", "", true},
		{"home network, absolute", nameless(), "Controller.home.arpa.", "", true},
		{"almost home", nameless(), "notlocal", "", false},
		{"of another CA", pkitest.NewAuthority(t, "ca").Issue("self::c"), "localhost", "self::c", false},
		{"expired", all.ca.IssueAs(&x509.Certificate{NotAfter: time.Now().Add(-time.Minute)}), "localhost", "", false},
		{"not for servers", all.ca.IssueAs(&x509.Certificate{
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}), "localhost", "", false},
		{"revoked", revoked, "localhost", "self::c", false},
	}
	for _, v := range vectors {
		theirs := &tls.Config{
			Certificates: []tls.Certificate{v.cert}, ClientCAs: all.ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert,
		}
		got := meet(t, theirs, s.ClientConfig(v.host, v.peer))
		if got.ok() != v.want {
			t.Errorf("%s: got %v, %v, want success %v", v.name, got.server, got.client, v.want)
		}
	}
}

// TestClientResumption: a client that resumes holds the server to what is
// trusted now.
func TestClientResumption(t *testing.T) {
	t.Parallel()
	for name, version := range versions() {
		all := newSet(t)
		s := source(t, pki.Options{Files: all.files})
		theirs := &tls.Config{Certificates: []tls.Certificate{all.leaf}, MaxVersion: version}
		ours := s.ClientConfig("localhost", "")
		ours.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		for _, resumed := range []bool{false, true} {
			if got := meet(t, theirs, ours); !got.ok() || got.resumed != resumed {
				t.Fatalf("%s: got %v, %v, resumed %v, want %v", name, got.server, got.client, got.resumed, resumed)
			}
		}
		all.ca.Revoke(all.leaf.Leaf)
		pkitest.WriteCRL(t, filepath.Dir(all.files.CA), "ca", all.ca)
		reload(t, s)
		if got := meet(t, theirs, ours); !errors.Is(got.client, pki.ErrRevoked) {
			t.Errorf("%s: got %v, want revoked", name, got.client)
		}
	}
}

// TestServerOpens: where the server connects to the client it needs a
// certificate of what is trusted now.
func TestServerOpens(t *testing.T) {
	t.Parallel()
	all := newSet(t)
	own, theirs := all.ca.Issue(), all.ca.Issue("self::c")
	s := all.client(t, own)
	conf := s.ClientConfig("controller.example.org", "self::c")
	accept := func() *tls.Config {
		c, err := conf.GetConfigForClient(nil)
		if err != nil {
			t.Fatalf("GetConfigForClient: got %v, want nil", err)
		}
		return c
	}
	got := meet(t, accept(), all.peer(0, theirs))
	if !got.ok() || !got.seen.PeerCertificates[0].Equal(own.Leaf) {
		t.Errorf("with a certificate: got %v, %v, want nil and the own certificate", got.server, got.client)
	}
	if got := meet(t, accept(), all.peer(0)); got.server == nil {
		t.Errorf("without a certificate: got nil, want an error")
	}
	all.ca.Revoke(theirs.Leaf)
	pkitest.WriteCRL(t, filepath.Dir(all.files.CA), "ca", all.ca)
	reload(t, s)
	if got := meet(t, accept(), all.peer(0, theirs)); !errors.Is(got.server, pki.ErrRevoked) {
		t.Errorf("revoked: got %v, want %v", got.server, pki.ErrRevoked)
	}
	if c := source(t, pki.Options{}).ClientConfig("localhost", ""); c.GetConfigForClient != nil {
		t.Errorf("without CA: got a way in, want none")
	}
}

// TestNoCertificate: a Source without one serves nobody, and says why.
func TestNoCertificate(t *testing.T) {
	t.Parallel()
	all := newSet(t)
	s := source(t, pki.Options{Files: pki.Files{CA: all.files.CA}})
	if s.Leaf() != nil {
		t.Errorf("Leaf: got %v, want nil", s.Leaf())
	}
	conf := s.ServerConfig()
	if _, err := conf.GetCertificate(nil); !errors.Is(err, pki.ErrNoCertificate) {
		t.Errorf("GetCertificate: got %v, want %v", err, pki.ErrNoCertificate)
	}
	if got := meet(t, conf, all.peer(0, all.ca.Issue())); got.ok() {
		t.Errorf("handshake: got success, want an error")
	}
}
