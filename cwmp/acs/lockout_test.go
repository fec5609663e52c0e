// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// login tries Basic from an address.
func login(t *testing.T, a *acs.Access, from, user, pass string) error {
	t.Helper()
	c := &acs.Claim{
		Method: http.MethodPost, Authorization: []string{basic(user, pass)},
		Remote: netip.AddrPortFrom(netip.MustParseAddr(from), 1),
	}
	_, err := attempt(t.Context(), a, c, cwmp.DeviceID{})
	return err
}

// locked returns for how long err locks out, 0 if it does not.
func locked(err error) time.Duration {
	var l *acs.LockedError
	if errors.As(err, &l) {
		return l.Wait
	}
	return 0
}

func basicAccess(t *testing.T, l acs.LockoutOptions) *acs.Access {
	t.Helper()
	return newAccess(t, acs.AccessOptions{Plain: []acs.Scheme{acs.SchemeBasic}, Lockout: l})
}

func TestLockoutOfAUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := basicAccess(t, acs.LockoutOptions{UserFailures: 3, First: 10 * time.Second, Max: time.Minute})
		if err := login(t, a, "192.0.2.1", "cpe", "secret"); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			from := "198.51.100." + strconv.Itoa(i)
			if err := login(t, a, from, "cpe", "guess"); !errors.Is(err, acs.ErrBadCredentials) {
				t.Fatalf("got %v, want ErrBadCredentials", err)
			}
		}
		// From anywhere, with the right password too; each failure doubles it.
		for _, want := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, time.Minute} {
			if got := locked(login(t, a, "203.0.113.9", "cpe", "secret")); got != want {
				t.Fatalf("got %v, want locked out for %v", got, want)
			}
			<-time.After(want)
			if err := login(t, a, "203.0.113.9", "cpe", "guess"); !errors.Is(err, acs.ErrBadCredentials) {
				t.Fatalf("after %v: got %v, want another try", want, err)
			}
		}
		// But not from where that user has logged in before.
		if err := login(t, a, "192.0.2.1", "cpe", "secret"); err != nil {
			t.Fatalf("from where it is known: got %v, want nil", err)
		}
		for range 3 {
			_ = login(t, a, "203.0.113.9", "cpe", "guess")
		}
		for range 3 {
			_ = login(t, a, "192.0.2.1", "cpe", "guess") // unless it fails there itself
		}
		if locked(login(t, a, "192.0.2.1", "cpe", "secret")) == 0 {
			t.Fatal("got in, want it locked out there as well")
		}
		<-time.After(2*time.Minute + time.Second)
		if err := login(t, a, "203.0.113.9", "cpe", "secret"); err != nil {
			t.Fatalf("got %v, want it forgotten", err)
		}
	})
}

func TestLockoutOfAnAddress(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, bad, same, other string }{
		{"IPv4", "192.0.2.1", "192.0.2.1", "192.0.2.2"},
		{"IPv6 with its network", "2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a := basicAccess(t, acs.LockoutOptions{AddressFailures: 3})
			if err := login(t, a, tc.bad, "cpe", "secret"); err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				if err := login(t, a, tc.bad, "user"+strconv.Itoa(i), "x"); locked(err) != 0 {
					t.Fatalf("got %v, want no lockout yet", err)
				}
			}
			if locked(login(t, a, tc.same, "user9", "x")) == 0 {
				t.Error("got in, want the address locked out")
			}
			if err := login(t, a, tc.other, "cpe", "secret"); err != nil {
				t.Errorf("another address: got %v, want nil", err)
			}
			// Whoever has logged in from behind it goes on to do so.
			if err := login(t, a, tc.same, "cpe", "secret"); err != nil {
				t.Errorf("a known CPE behind it: got %v, want nil", err)
			}
		})
	}
}

// A flood of names does not make the tables grow, nor wash away who has failed
// often.
func TestLockoutTablesAreBounded(t *testing.T) {
	t.Parallel()
	a := basicAccess(t, acs.LockoutOptions{UserFailures: 5, AddressFailures: -1, Entries: 32})
	for range 5 {
		_ = login(t, a, "192.0.2.1", "cpe", "guess")
	}
	for i := range 5000 {
		_ = login(t, a, "192.0.2.1", "user"+strconv.Itoa(i), "x")
	}
	if users, addrs, good := acs.LockoutSizes(a); users > 32 || addrs > 32 || good > 32 {
		t.Fatalf("got %d users, %d addresses, %d logins, want at most 32 each", users, addrs, good)
	}
	if locked(login(t, a, "192.0.2.2", "cpe", "secret")) == 0 {
		t.Fatal("got in, want the user still locked out")
	}
}

// Over HTTP: 503 with Retry-After, counted; and never for who is in a session.
func TestLockoutSparesASession(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	h := &script{}
	a := basicAccess(t, acs.LockoutOptions{UserFailures: 1, AddressFailures: 1, Entries: 1})
	s := serve(t, h, acs.Options{Auth: a, Metrics: reg})
	p, bad := newCPE(t, s), newCPE(t, s)
	p.header = "Authorization: " + basic("cpe", "secret") + "\r\n"
	p.post(inform("1")).envelope("InformResponse")
	bad.header = "Authorization: " + basic("cpe", "guess") + "\r\n"
	bad.post(inform("2")).want(http.StatusUnauthorized)
	bad.post(inform("2")).want(http.StatusServiceUnavailable)
	if bad.post(inform("2")).want(http.StatusServiceUnavailable).head.Get("Retry-After") == "" {
		t.Fatal("got no Retry-After, want one")
	}
	p.post(message("i2", informOf("1", "1 BOOT", "0"))).envelope("InformResponse") // a new session out of the old one
	p.post("").want(http.StatusNoContent)
	wantCount(t, reg, "uspgate_cwmp_rejected_total", "locked", 2)
}

// twoServers are two that are one, and what the first tells the other.
func twoServers(t *testing.T) (one, two *acs.Access, told *[]acs.Attempt) {
	t.Helper()
	o := acs.LockoutOptions{UserFailures: 4, AddressFailures: 8}
	one, two = basicAccess(t, o), basicAccess(t, o)
	told = new([]acs.Attempt)
	one.Share(func(a acs.Attempt) {
		*told = append(*told, a)
		two.Told(a)
	})
	two.Share(one.Told)
	return one, two, told
}

// TestLockoutIsShared: what fails at one server counts at the other.
func TestLockoutIsShared(t *testing.T) {
	t.Parallel()
	one, two, _ := twoServers(t)
	for i := range 4 {
		a := one
		if i%2 == 1 {
			a = two
		}
		if err := login(t, a, "2001:db8::"+strconv.Itoa(i), "cpe", "guess"); !errors.Is(err, acs.ErrBadCredentials) {
			t.Fatalf("got %v, want ErrBadCredentials", err)
		}
	}
	for name, a := range map[string]*acs.Access{"one": one, "two": two} {
		if locked(login(t, a, "203.0.113.9", "cpe", "secret")) == 0 {
			t.Errorf("%s: got in, want a lockout after two failures here and two there", name)
		}
	}
	one.Told(acs.Attempt{}) // says nothing
}

// TestSuccessIsShared: who has logged in at one server is not locked out at the
// other from the same address.
func TestSuccessIsShared(t *testing.T) {
	t.Parallel()
	one, two, told := twoServers(t)
	for range 3 {
		_ = login(t, one, "203.0.113.8", "cpe", "guess")
		for range 2 { // the second says nothing new
			if err := login(t, one, "203.0.113.7", "cpe", "secret"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if want := 3 + 3; len(*told) != want {
		t.Errorf("got %+v, want %d attempts told", *told, want)
	}
	for range 4 {
		_ = login(t, two, "203.0.113.6", "cpe", "guess")
	}
	if locked(login(t, two, "203.0.113.6", "cpe", "guess")) == 0 {
		t.Error("from elsewhere: got another guess, want a lockout")
	}
	if err := login(t, two, "203.0.113.7", "cpe", "secret"); err != nil {
		t.Errorf("from where it has logged in at one: got %v, want nil", err)
	}
}
