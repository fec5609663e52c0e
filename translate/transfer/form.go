// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"fmt"
	"net/url"
	"path"
	"strings"
)

// Form is what a CPE wants a Download to be like [quirk 71]. The zero value is a CPE
// that takes whatever the standard has.
type Form struct {
	// NoPort: it takes no URL with a port. NoTLS: nor one of https.
	NoPort, NoTLS bool
	// NeedSize: the FileSize must not be 0. NeedTarget: nor TargetFileName empty.
	NeedSize, NeedTarget bool
	// Extension is how the name of the file has to end, such as ".bin"; empty: in any
	// way.
	Extension string
	// MaxURL is how long a URL may be in bytes; 0: MaxURL of the package.
	MaxURL int
}

// Check says what a CPE of that Form would refuse of a URL; nil for nothing. What is
// no URL of http, https or ftp with a host, and without a user, nobody takes.
func (f Form) Check(raw string) error {
	u, err := url.Parse(raw)
	limit := MaxURL
	if f.MaxURL > 0 {
		limit = min(limit, f.MaxURL)
	}
	switch {
	case err != nil || u.Host == "":
		return fmt.Errorf("%w: not a URL", ErrInvalid)
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "ftp":
		return fmt.Errorf("%w: not a URL of http, https or ftp", ErrInvalid)
	case u.User != nil:
		return fmt.Errorf("%w: a user in the URL", ErrInvalid)
	case len(raw) > limit:
		return fmt.Errorf("%w: a URL of %d bytes, the limit is %d", ErrInvalid, len(raw), limit)
	case f.NoPort && u.Port() != "":
		return fmt.Errorf("%w: this CPE takes no URL with a port", ErrInvalid)
	case f.NoTLS && u.Scheme == "https":
		return fmt.Errorf("%w: this CPE takes no URL of https", ErrInvalid)
	case f.Extension != "" && !strings.HasSuffix(strings.ToLower(u.Path), strings.ToLower(f.Extension)):
		return fmt.Errorf("%w: this CPE takes files only whose name ends in %s", ErrInvalid, f.Extension)
	}
	return nil
}

// Complete gives a Job what a CPE of that Form needs besides its URL, or says what is
// missing.
func (f Form) Complete(j *Job) error {
	if f.NeedSize && j.Size == 0 && !j.Upload {
		return fmt.Errorf("%w: this CPE needs to know the FileSize", ErrInvalid)
	}
	if f.NeedTarget && j.Target == "" && !j.Upload {
		j.Target = nameOf(j.URL)
	}
	return nil
}

// nameOf is the name of the file in a URL, or one that does for any.
func nameOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "file.bin"
	}
	name := path.Base(u.Path)
	if name == "." || name == "/" {
		return "file.bin"
	}
	return name
}
