// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// tokenLen is the length of a token: 128 bits in hex, so that it survives CPE
// that change the case of a URL.
const tokenLen = 32

func newToken() string {
	var b [tokenLen / 2]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func tokenKey(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }

func isToken(s string) bool {
	return len(s) == tokenLen && strings.Trim(s, "0123456789abcdef") == ""
}

// tokenIn finds the token in the path of a URL: its first part that looks like
// one. What is before it is of a proxy, what is behind it is for the CPE only, as
// some lose or change it [quirk 42].
func tokenIn(urlPath string) (token string, ok bool) {
	for part := range strings.SplitSeq(urlPath, "/") {
		if len(part) != tokenLen {
			continue
		}
		if part = strings.ToLower(part); isToken(part) {
			return part, true
		}
	}
	return "", false
}

// cleanName makes of any name one that every CPE can handle, at most limit
// bytes, the extension kept if it is not too long itself.
func cleanName(name string, limit int) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '.', r == '-', r == '_':
			return r
		default:
			return '_'
		}
	}, name)
	if strings.HasPrefix(name, ".") {
		name = "_" + name[1:]
	}
	if len(name) <= limit {
		return name
	}
	ext := path.Ext(name)
	if len(ext) >= limit {
		ext = ""
	}
	return name[:limit-len(ext)] + ext
}

// base is what the URLs of a job begin with, without a slash at its end.
func (s *Server) base(own string) (string, error) {
	switch {
	case own != "":
		return own, nil
	case s.opts.BaseURL != "":
		return s.opts.BaseURL, nil
	}
	addr, err := netip.ParseAddrPort(s.Addr())
	if err != nil || addr.Addr().IsUnspecified() {
		return "", fmt.Errorf("%w: no BaseURL, and %q is no address of a host", ErrURL, s.Addr())
	}
	if s.opts.TLS != nil {
		return "https://" + addr.String(), nil
	}
	return "http://" + addr.String(), nil
}

// checkBase returns base without a slash at its end.
func checkBase(base string) (clean string, secure bool, err error) {
	u, err := url.Parse(base)
	if err != nil {
		return "", false, fmt.Errorf("%w: %w", ErrURL, err)
	}
	ascii := strings.IndexFunc(base, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
	if !ascii || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil ||
		u.RawQuery != "" || u.ForceQuery || strings.Contains(base, "#") {
		return "", false, fmt.Errorf("%w: base %q is not a scheme, a host and perhaps a path, in ASCII", ErrURL, base)
	}
	return strings.TrimRight(base, "/"), u.Scheme == "https", nil
}

// url makes the URL of a job and tells whether it is https.
func (s *Server) url(a *Access) (u string, secure bool, err error) {
	base, err := s.base(a.BaseURL)
	if err != nil {
		return "", false, err
	}
	if base, secure, err = checkBase(base); err != nil {
		return "", false, err
	}
	const shortest = 5 // of a name that still has an extension
	room := s.opts.MaxURL - len(base) - len("/") - tokenLen - len("/")
	if room < shortest {
		return "", false, fmt.Errorf("%w: longer than %d bytes", ErrURL, s.opts.MaxURL)
	}
	return base + "/" + a.Token + "/" + cleanName(a.Name, room), secure, nil
}
