// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/pion/dtls/v3"
	"github.com/pion/logging"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

var errNoCertificate = errors.New("coap: the peer gave no certificate")

// dtlsConfig is what the library wants for one session.
type dtlsConfig = dtls.Config //nolint:staticcheck // its successor, a list of options, cannot hold what we compute

// tlsOptions makes DTLS configurations of a tls.Config.
type tlsOptions struct {
	config *tls.Config
	// byEndpoint: the peers that we dial are known by the Endpoint IDs in their
	// certificates and not by a host name, which their reply-to does not have.
	byEndpoint bool
	// accept, if set, is used instead of config for what a peer opens.
	accept *tls.Config
}

// proof is what a handshake has shown of the peer. One goroutine fills it in.
type proof struct {
	certs    []*x509.Certificate
	chains   [][]*x509.Certificate
	verified bool
}

// identity is the peer's, by its certificate [R-SEC.0a].
func (p *proof) identity(client bool) (mtp.Identity, bool) {
	if !p.verified || len(p.certs) == 0 {
		return mtp.Identity{}, false
	}
	id := mtp.Identity{Method: "certificate", Name: p.certs[0].Subject.String()}
	if client {
		id.IDs = mtp.CertificateURNs(p.certs[0]) // its DNS names name the host
	} else {
		id.IDs = mtp.CertificateIDs(p.certs[0])
	}
	id.Chain = p.certs
	if len(p.chains) > 0 {
		id.Chain = p.chains[0]
	}
	return id, true
}

// server is the configuration for a handshake that the peer at remote begins.
func (o *tlsOptions) server(local, remote netip.AddrPort, p *proof) (*dtlsConfig, error) {
	conf := o.config
	if o.accept != nil {
		conf = o.accept
	}
	if conf.GetConfigForClient != nil {
		hello := clientHello("", nil)
		hello.Conn = &addresses{
			local: net.UDPAddrFromAddrPort(local), remote: net.UDPAddrFromAddrPort(remote),
		}
		c, err := conf.GetConfigForClient(hello)
		if err != nil {
			return nil, fmt.Errorf("coap: TLS: %w", err)
		}
		if c != nil {
			conf = c
		}
	}
	d := o.common(conf, p)
	// crypto/tls has the same values in the same order.
	d.ClientAuth, d.ClientCAs = dtls.ClientAuthType(conf.ClientAuth), conf.ClientCAs
	if get := conf.GetCertificate; get != nil {
		d.GetCertificate = func(h *dtls.ClientHelloInfo) (*tls.Certificate, error) {
			suites := make([]uint16, len(h.CipherSuites))
			for i, s := range h.CipherSuites {
				suites[i] = uint16(s)
			}
			return get(clientHello(h.ServerName, suites))
		}
	}
	p.verified = conf.ClientAuth >= tls.VerifyClientCertIfGiven ||
		conf.VerifyConnection != nil || conf.VerifyPeerCertificate != nil
	return d, nil
}

// client is the configuration for a handshake with the host.
func (o *tlsOptions) client(host string, p *proof) *dtlsConfig {
	conf := o.config
	d := o.common(conf, p)
	d.RootCAs, d.ServerName, d.InsecureSkipVerify = conf.RootCAs, conf.ServerName, conf.InsecureSkipVerify
	if d.ServerName == "" {
		d.ServerName = host
	}
	if get := conf.GetClientCertificate; get != nil {
		d.GetClientCertificate = func(r *dtls.CertificateRequestInfo) (*tls.Certificate, error) {
			return get(&tls.CertificateRequestInfo{
				AcceptableCAs: r.AcceptableCAs, SignatureSchemes: signatureSchemes(), Version: tls.VersionTLS12,
			})
		}
	} else if get := conf.GetCertificate; get != nil && len(conf.Certificates) == 0 {
		d.GetClientCertificate = func(*dtls.CertificateRequestInfo) (*tls.Certificate, error) {
			return get(clientHello("", nil)) // both of our roles are one Endpoint
		}
	}
	if o.byEndpoint {
		o.verifyEndpoint(d, conf)
	}
	p.verified = true
	return d
}

// authorities are the CAs of a peer that we dial: those of clients where none of
// servers are configured, as they are at the moment.
func authorities(conf *tls.Config) *x509.CertPool {
	if conf.RootCAs != nil {
		return conf.RootCAs
	}
	if conf.GetConfigForClient != nil {
		if now, err := conf.GetConfigForClient(clientHello("", nil)); err == nil && now != nil {
			return now.ClientCAs
		}
	}
	return conf.ClientCAs
}

// verifyEndpoint checks the chain of a peer that we dial, but no host name.
func (o *tlsOptions) verifyEndpoint(d *dtlsConfig, conf *tls.Config) {
	after := d.VerifyPeerCertificate
	d.InsecureSkipVerify = true
	d.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		certs, err := parseCertificates(raw)
		if err != nil {
			return err
		}
		opts := x509.VerifyOptions{
			Roots: authorities(conf), Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		}
		if conf.Time != nil {
			opts.CurrentTime = conf.Time()
		}
		for _, c := range certs[1:] {
			opts.Intermediates.AddCert(c)
		}
		chains, err := certs[0].Verify(opts)
		if err != nil {
			return fmt.Errorf("coap: TLS: %w", err)
		}
		return after(raw, chains)
	}
}

// common is what both roles have in common [R-COAP.15].
func (o *tlsOptions) common(conf *tls.Config, p *proof) *dtlsConfig {
	d := &dtlsConfig{
		Certificates: conf.Certificates, CipherSuites: cipherSuites(),
		KeyLogWriter: conf.KeyLogWriter,
		LoggerFactory: &logging.DefaultLoggerFactory{ // its lines say nothing that errors do not
			Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled,
		},
	}
	d.VerifyPeerCertificate = func(raw [][]byte, chains [][]*x509.Certificate) error {
		p.chains = chains
		if conf.VerifyPeerCertificate != nil {
			return conf.VerifyPeerCertificate(raw, chains)
		}
		return nil
	}
	d.VerifyConnection = func(s *dtls.State) (err error) {
		if p.certs, err = parseCertificates(s.PeerCertificates); err != nil && len(s.PeerCertificates) > 0 {
			return err
		}
		if conf.VerifyConnection == nil {
			return nil
		}
		return conf.VerifyConnection(tls.ConnectionState{
			Version: tls.VersionTLS12, HandshakeComplete: true, CipherSuite: uint16(s.CipherSuiteID),
			NegotiatedProtocol: s.NegotiatedProtocol, ServerName: conf.ServerName,
			PeerCertificates: p.certs, VerifiedChains: p.chains,
		})
	}
	return d
}

func parseCertificates(raw [][]byte) ([]*x509.Certificate, error) {
	if len(raw) == 0 {
		return nil, errNoCertificate
	}
	certs := make([]*x509.Certificate, len(raw))
	for i := range raw {
		c, err := x509.ParseCertificate(raw[i])
		if err != nil {
			return nil, fmt.Errorf("coap: TLS: %w", err)
		}
		certs[i] = c
	}
	return certs, nil
}

// cipherSuites are those of certificates; the first one is what every CoAP
// implementation has [RFC 7925 4.2].
func cipherSuites() []dtls.CipherSuiteID {
	return []dtls.CipherSuiteID{
		dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,
		dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
		dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		dtls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		dtls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		dtls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

func signatureSchemes() []tls.SignatureScheme {
	return []tls.SignatureScheme{
		tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512,
		tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512,
		tls.PKCS1WithSHA256, tls.PKCS1WithSHA384, tls.PKCS1WithSHA512, tls.Ed25519,
	}
}

// clientHello is what callbacks of a tls.Config get.
func clientHello(name string, suites []uint16) *tls.ClientHelloInfo {
	if suites == nil {
		for _, s := range cipherSuites() {
			suites = append(suites, uint16(s))
		}
	}
	return &tls.ClientHelloInfo{
		ServerName: name, CipherSuites: suites, SignatureSchemes: signatureSchemes(),
		SupportedVersions: []uint16{tls.VersionTLS12}, SupportedPoints: []uint8{0},
		SupportedCurves: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384},
	}
}

// addresses is a net.Conn of which callbacks may ask the addresses.
type addresses struct {
	net.Conn
	local, remote net.Addr
}

// LocalAddr implements net.Conn.
func (a *addresses) LocalAddr() net.Addr { return a.local }

// RemoteAddr implements net.Conn.
func (a *addresses) RemoteAddr() net.Addr { return a.remote }

// speaksFor reports whether the peer of a session may be given a Record to the
// Endpoint id [R-SEC.0a].
func (s *session) speaksFor(id usp.EndpointID) bool {
	return s == nil || !s.proved || s.identity.Allows(id)
}
