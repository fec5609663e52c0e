// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"crypto/tls"
	"time"
)

// Options configures a Cache. The zero value of a field means its default.
type Options struct {
	// Dir is where the files are; required. It is made if need be, and nobody else's.
	Dir string
	// Allow are the beginnings of the URLs that may be fetched: scheme, host, port and
	// the first folders, such as https://files.example.net/firmware/. Empty: none.
	Allow []string
	// TLS is for https; nil means the system's authorities.
	TLS *tls.Config
	// MaxFile bounds one file in bytes; default 256 MiB.
	MaxFile int64
	// MaxTotal bounds all of them; default 2 GiB. Those that were used longest ago make
	// room.
	MaxTotal int64
	// Fresh is how long a file is not asked for again; default 5 min. After that the
	// server is asked whether it has changed.
	Fresh time.Duration
	// Keep is how long a file is kept that nobody uses; default 24 h.
	Keep time.Duration
	// Timeout bounds one fetch; default 15 min.
	Timeout time.Duration
	// Parallel bounds the fetches at a time, others wait; default 4.
	Parallel int
}

func (o Options) withDefaults() Options {
	size := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	wait := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	size(&o.MaxFile, 256<<20)
	size(&o.MaxTotal, 2<<30)
	wait(&o.Fresh, 5*time.Minute)
	wait(&o.Keep, 24*time.Hour)
	wait(&o.Timeout, 15*time.Minute)
	if o.Parallel <= 0 {
		o.Parallel = 4
	}
	return o
}
