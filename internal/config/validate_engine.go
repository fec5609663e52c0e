// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// engine checks what keeps things.
func (d *decoder) engine(cfg *Config) {
	e := &cfg.Engine
	d.oneOf("engine.store", e.Store, "disk", "memory")
	d.oneOf("engine.fsync", e.Fsync, "always", "interval")
	d.tls("engine.tls", &e.TLS)
	d.tlsFiles("engine.tls", &e.TLS, cfg.TLS)
	if e.Fsync == "interval" && e.FsyncInterval <= 0 {
		d.invalid("engine.fsync_interval", "0 is no interval", "write for example 1s")
	}
	if cfg.DataDir == "" && e.Store == "disk" && e.URL == "" {
		d.invalid("data_dir", "there is no place for what has to outlive the process",
			"name a directory, or set engine.store: memory")
	}
	if !slices.Contains([]int{1, 3, 5}, e.Replicas) {
		d.invalid("engine.replicas", fmt.Sprintf("%d copies", e.Replicas), "write 1, 3 or 5")
	}
	if e.URL == "" {
		if e.Username != "" || e.CredsFile != "" {
			d.invalid("engine", "an engine of its own has no users", "set engine.url, or leave the user away")
		}
		return
	}
	if e.Store == "memory" {
		d.invalid("engine.store", "a cluster keeps everything on disk", "leave store away, or url")
	}
	if e.EncryptKeyFile != "" {
		d.invalid("engine.encrypt_key_file", "the servers of a cluster encrypt by themselves",
			"configure it there, and leave it away here")
	}
	for one := range strings.SplitSeq(e.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			d.invalid("engine.url", fmt.Sprintf("%q is no address of a NATS server", one), "write nats://host:4222")
		} else if u.User != nil {
			d.invalid("engine.url", "a password in a URL is not masked", "set username and password_file")
		}
	}
}
