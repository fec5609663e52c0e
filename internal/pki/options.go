// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// DefaultInterval is how often a Source looks whether its files have changed.
const DefaultInterval = 10 * time.Second

// MaxFile bounds each file in bytes, which is a CRL of some 800,000 entries.
const MaxFile = 32 << 20

// Files name what a Source reads. Symbolic links are followed anew each time,
// so that a volume which is swapped by its link is noticed.
type Files struct {
	// Cert is the own certificate, PEM, leaf first, then the intermediates to
	// be sent along; Key its private key, PEM. Both or neither.
	Cert, Key string
	// CA holds the certificates, PEM, by which the peer's is verified. Empty: a
	// server asks for no client certificate, a client trusts the system's CAs.
	CA string
	// CRL are revocation lists, PEM (any number per file) or DER (one). Empty:
	// nothing is looked up. With any, every certificate of the peer's chain below
	// the one in CA must be covered by one, see Options.SoftCRL.
	CRL []string
}

// Options configure a Source. The zero value, without any file, is a client
// without certificate that trusts the system's CAs.
type Options struct {
	Files
	// Name is that of the binding in the configuration: the label listener of the
	// metrics, and for logs. "": "default".
	Name string
	// MinVersion is tls.VersionTLS12 or tls.VersionTLS13; 0: 1.2 [R-MTP.0].
	MinVersion uint16
	// OptionalClient lets clients without a certificate in; one that is given
	// must be good all the same. Without it and with CA, each client needs one.
	OptionalClient bool
	// SoftCRL accepts a peer whose issuer's CRL is missing or out of date; what
	// an old CRL lists is revoked even so. By default such a peer is refused:
	// who configures a CRL wants to know.
	SoftCRL bool
	// Interval is how often Run looks at the files; 0: 10 s.
	Interval time.Duration
	// Log gets one line per change of the files; nil: none.
	Log *zap.Logger
	// Metrics gets the metrics listed in README.md; nil: none.
	Metrics prometheus.Registerer
}

func (o *Options) setDefaults() error {
	if (o.Cert == "") != (o.Key == "") {
		return errors.New("pki: a certificate needs its key and a key its certificate")
	}
	switch o.MinVersion {
	case 0:
		o.MinVersion = tls.VersionTLS12
	case tls.VersionTLS12, tls.VersionTLS13:
	default:
		return fmt.Errorf("pki: minimum version %s, want TLS 1.2 or 1.3 [R-MTP.0]", tls.VersionName(o.MinVersion))
	}
	if o.Interval < 0 {
		return errors.New("pki: the interval is negative")
	}
	if o.Interval == 0 {
		o.Interval = DefaultInterval
	}
	if o.Name == "" {
		o.Name = "default"
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Log = o.Log.Named("pki").With(zap.String("listener", o.Name))
	return nil
}

// paths lists every file that is named.
func (f *Files) paths() []string {
	var out []string
	for _, p := range append([]string{f.Cert, f.Key, f.CA}, f.CRL...) {
		if p != "" {
			out = append(out, p)
		}
	}
	return out
}
