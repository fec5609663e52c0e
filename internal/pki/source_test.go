// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/uspgate/uspgate/internal/pki"
	"github.com/uspgate/uspgate/internal/pki/pkitest"
)

// running runs s in the bubble of a test until the test ends.
func running(t *testing.T, s *pki.Source) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

// look lets Run have one more look at the files.
func look() {
	time.Sleep(pki.DefaultInterval) //nolint:forbidigo // the clock of the bubble
	synctest.Wait()
}

// TestReloadSymlinkSwap: a mounted secret is swapped by the link to its
// directory; neither path nor size changes.
func TestReloadSymlinkSwap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ca, dir := pkitest.NewAuthority(t, "ca"), t.TempDir()
		first, second := ca.Issue(), ca.Issue()
		for name, c := range map[string]tls.Certificate{"v1": first, "v2": second} {
			if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatalf("mkdir: got %v, want nil", err)
			}
			pkitest.WritePair(t, filepath.Join(dir, name), "tls", c)
		}
		link(t, "v1", filepath.Join(dir, "..data"))
		link(t, "..data/tls.pem", filepath.Join(dir, "tls.pem"))
		link(t, "..data/tls-key.pem", filepath.Join(dir, "tls-key.pem"))

		reg := prometheus.NewRegistry()
		s := source(t, pki.Options{Name: "ws", Metrics: reg, Files: pki.Files{
			Cert: filepath.Join(dir, "tls.pem"), Key: filepath.Join(dir, "tls-key.pem"),
		}})
		running(t, s)
		look()
		if got := s.Leaf(); !got.Equal(first.Leaf) {
			t.Fatalf("before: got serial %v, want %v", got.SerialNumber, first.Leaf.SerialNumber)
		}
		link(t, "v2", filepath.Join(dir, "..data"))
		look()
		if got := s.Leaf(); !got.Equal(second.Leaf) {
			t.Fatalf("after the swap: got serial %v, want %v", got.SerialNumber, second.Leaf.SerialNumber)
		}
		look()
		wantCounts(t, reg, 1, 0)
	})
}

// link replaces a symbolic link at once.
func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path+".next"); err != nil {
		t.Fatalf("symlink: got %v, want nil", err)
	}
	if err := os.Rename(path+".next", path); err != nil {
		t.Fatalf("rename: got %v, want nil", err)
	}
}

// wantCounts compares uspgate_tls_reloads_total.
func wantCounts(t *testing.T, reg *prometheus.Registry, ok, failed int) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatalf("gather: got %v, want nil", err)
	}
	got := map[string]int{}
	for _, f := range families {
		if f.GetName() == "uspgate_tls_reloads_total" {
			for _, m := range f.GetMetric() {
				got[m.GetLabel()[0].GetValue()] = int(m.GetCounter().GetValue())
			}
		}
	}
	if got["ok"] != ok || got["failed"] != failed {
		t.Errorf("reloads: got %v, want ok %d, failed %d", got, ok, failed)
	}
}

// set is a certificate authority with all files that a server can have.
type set struct {
	ca    *pkitest.Authority
	leaf  tls.Certificate
	files pki.Files
}

func newSet(t *testing.T) *set {
	t.Helper()
	dir := t.TempDir()
	s := &set{ca: pkitest.NewAuthority(t, "ca")}
	s.leaf = s.ca.Issue()
	s.files.Cert, s.files.Key = pkitest.WritePair(t, dir, "tls", s.leaf)
	s.files.CA = pkitest.WriteCA(t, dir, "ca", s.ca)
	s.files.CRL = []string{pkitest.WriteCRL(t, dir, "ca", s.ca)}
	return s
}

// TestBadFileKeepsFormer: whatever is wrong with one file, everything stays as
// it was, and that is said and counted once; when it is right again, what the
// files hold then is used.
func TestBadFileKeepsFormer(t *testing.T) {
	t.Parallel()
	vectors := []struct {
		name, said string
		spoil      func(t *testing.T, s *set)
	}{
		{"certificate that is none", "tls.pem", func(t *testing.T, s *set) {
			t.Helper()
			pkitest.Write(t, s.files.Cert, []byte("nothing"))
		}},
		{"key of another certificate", "tls-key.pem", func(t *testing.T, s *set) {
			t.Helper()
			other := s.ca.Issue()
			other.Certificate = s.leaf.Certificate
			pkitest.WritePair(t, filepath.Dir(s.files.Cert), "tls", other)
		}},
		{"CA without a certificate", "holds no certificate", func(t *testing.T, s *set) {
			t.Helper()
			pkitest.Write(t, s.files.CA, []byte("# none yet"))
		}},
		{"CA that is cut off", "1 of 2 blocks", func(t *testing.T, s *set) {
			t.Helper()
			whole := pkitest.PEM("CERTIFICATE", s.ca.Cert.Raw)
			pkitest.Write(t, s.files.CA, append(slices.Clone(whole), whole[:len(whole)/2]...))
		}},
		{"CRL that is none", "ca.crl", func(t *testing.T, s *set) {
			t.Helper()
			pkitest.Write(t, s.files.CRL[0], []byte("nothing"))
		}},
		{"CRL of another CA of that name", "not signed", func(t *testing.T, s *set) {
			t.Helper()
			pkitest.Write(t, s.files.CRL[0], pkitest.NewAuthority(t, "ca").CRL())
		}},
		{"CRL that is a delta", "2.5.29.27", func(t *testing.T, s *set) {
			t.Helper()
			pkitest.Write(t, s.files.CRL[0], s.ca.CRLAs(&x509.RevocationList{ExtraExtensions: []pkix.Extension{
				{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}},
			}}))
		}},
		{"file that is gone", "no such file", func(t *testing.T, s *set) {
			t.Helper()
			if err := os.Remove(s.files.CA); err != nil {
				t.Fatalf("remove: got %v, want nil", err)
			}
		}},
		{"file that is too large", "32 MiB", func(t *testing.T, s *set) {
			t.Helper()
			pkitest.Write(t, s.files.CRL[0], nil)
			if err := os.Truncate(s.files.CRL[0], pki.MaxFile+1); err != nil {
				t.Fatalf("truncate: got %v, want nil", err)
			}
		}},
	}
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				all := newSet(t)
				core, logs := observer.New(zap.WarnLevel)
				reg := prometheus.NewRegistry()
				s := source(t, pki.Options{Files: all.files, Log: zap.New(core), Metrics: reg})
				running(t, s)

				v.spoil(t, all)
				look()
				look()
				if got := s.Leaf(); !got.Equal(all.leaf.Leaf) {
					t.Errorf("certificate: got serial %v, want the one before", got.SerialNumber)
				}
				if got := logs.TakeAll(); len(got) != 1 || !strings.Contains(got[0].ContextMap()["error"].(string), v.said) {
					t.Errorf("log: got %v, want one entry with %q", got, v.said)
				}
				wantCounts(t, reg, 0, 1)

				next := all.ca.Issue()
				dir := filepath.Dir(all.files.Cert)
				pkitest.WritePair(t, dir, "tls", next)
				pkitest.WriteCA(t, dir, "ca", all.ca)
				pkitest.WriteCRL(t, dir, "ca", all.ca)
				look()
				if got := s.Leaf(); !got.Equal(next.Leaf) {
					t.Errorf("certificate: got serial %v, want the new one", got.SerialNumber)
				}
				wantCounts(t, reg, 1, 1)
			})
		})
	}
}

// TestBadFileAtStart: without a former state there is no gateway.
func TestBadFileAtStart(t *testing.T) {
	t.Parallel()
	all := newSet(t)
	vectors := map[string]pki.Options{
		"no such file":                {Files: pki.Files{CA: filepath.Join(t.TempDir(), "none")}},
		"certificate needs its key":   {Files: pki.Files{Cert: all.files.Cert}},
		"want TLS 1.2 or 1.3":         {MinVersion: tls.VersionTLS11},
		"neither PEM nor DER":         {Files: pki.Files{CRL: []string{all.files.Key}}},
		"interval is negative":        {Interval: -1},
		"holds no certificate in PEM": {Files: pki.Files{CA: all.files.Key}},
	}
	for want, o := range vectors {
		if _, err := pki.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: got %v, want an error with %q", err, want)
		}
	}
}

// TestReload: the operator need not wait; what has not changed is no reload.
func TestReload(t *testing.T) {
	t.Parallel()
	all, reg := newSet(t), prometheus.NewRegistry()
	s := source(t, pki.Options{Files: all.files, Metrics: reg})
	reload(t, s)
	wantCounts(t, reg, 0, 0)
	next := all.ca.Issue()
	pkitest.WritePair(t, filepath.Dir(all.files.Cert), "tls", next)
	reload(t, s)
	if got := s.Leaf(); !got.Equal(next.Leaf) {
		t.Errorf("certificate: got serial %v, want the new one", got.SerialNumber)
	}
	pkitest.Write(t, all.files.CA, nil)
	if err := s.Reload(); err == nil {
		t.Errorf("Reload of an empty CA: got nil, want an error")
	}
	wantCounts(t, reg, 1, 1)
}

// TestMetrics: names and labels are those of README.md.
func TestMetrics(t *testing.T) {
	t.Parallel()
	all, reg := newSet(t), prometheus.NewPedanticRegistry()
	for _, name := range []string{"ws", "mqtt"} {
		source(t, pki.Options{Name: name, Files: all.files, Metrics: reg})
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: got %v, %v, want none", problems, err)
	}
	const name = "uspgate_tls_cert_not_after_timestamp_seconds"
	end := all.leaf.Leaf.NotAfter.Unix()
	want := "# HELP " + name + " When the own certificate expires; 0: there is none.\n# TYPE " + name + " gauge\n" +
		fmt.Sprintf("%s{listener=\"mqtt\"} %d\n%s{listener=\"ws\"} %d\n", name, end, name, end)
	err = testutil.GatherAndCompare(reg, strings.NewReader(want), name)
	if err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.Contains(string(text), "`"+f.GetName()+"`") {
			t.Errorf("README.md: got no %s, want it listed", f.GetName())
		}
	}
}

// TestExpiryIsSaid: that the own certificate or a CRL has run out is logged
// once.
func TestExpiryIsSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		all := newSet(t)
		core, logs := observer.New(zap.WarnLevel)
		s := source(t, pki.Options{Files: all.files, Log: zap.New(core)})
		running(t, s)
		look()
		if got := logs.TakeAll(); len(got) != 0 {
			t.Fatalf("log: got %v, want nothing", got)
		}
		time.Sleep(2 * time.Hour) //nolint:forbidigo // the clock of the bubble
		synctest.Wait()
		var got []string
		for _, e := range logs.TakeAll() {
			got = append(got, e.Message)
		}
		want := []string{"the own certificate has expired", "a revocation list is out of date"}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("log: got %q, want %q", got, want)
		}
	})
}
