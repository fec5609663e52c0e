// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// invalid adds a problem at the place of path, or of the nearest path above it
// that the file has.
func (d *decoder) invalid(path, text, hint string) {
	for _, known := range d.problems {
		if known.Path != "" && (within(path, known.Path) || within(known.Path, path)) {
			return // what could not be read is a default here and says nothing
		}
	}
	p := Problem{File: d.file, Path: path, Text: text, Hint: hint}
	for at := path; at != ""; at = parent(at) {
		if pl, ok := d.at[at]; ok {
			p.Line, p.Column = pl.line, pl.column
			break
		}
	}
	d.problems = append(d.problems, p)
}

// within reports whether path is that of whole or of a part of it.
func within(path, whole string) bool {
	rest, ok := strings.CutPrefix(path, whole)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

func parent(path string) string {
	i := strings.LastIndexAny(path, ".[")
	if i < 0 {
		return ""
	}
	return path[:i]
}

func (d *decoder) validate(cfg *Config) {
	names := map[string]bool{}
	addresses := map[string]string{}
	for i := range cfg.MTP {
		path := fmt.Sprintf("mtp[%d]", i)
		d.mtp(path, &cfg.MTP[i])
		if name := cfg.MTP[i].Name; names[name] {
			d.invalid(path+".name", fmt.Sprintf("the name %q is taken", name), "give every binding its own")
		} else {
			names[name] = true
		}
		d.tlsFiles(path+".tls", &cfg.MTP[i].TLS, cfg.TLS)
		d.listener(path+".listen", &cfg.MTP[i], addresses)
	}
	d.tls("tls", &cfg.TLS)
	if cfg.TLS.Shared {
		d.invalid("tls.shared", "this is the shared block itself", "set it where the block is to be used")
	}
	d.engine(cfg)
	d.relay(cfg)
	cpe := cfg.CWMP.TLS.Block()
	d.tlsFiles("cwmp.tls", &cpe, cfg.TLS)
	cfg.CWMP.TLS.set(&cpe)
	d.cwmp(&cfg.CWMP)
	d.address("cwmp.listen", cfg.CWMP.Listen, addresses)
	d.files(cfg, addresses)
	if cfg.Metrics.Listen != "" {
		d.address("metrics.listen", cfg.Metrics.Listen, addresses)
	}
	if cfg.Admin.Listen != "" {
		d.address("admin.listen", cfg.Admin.Listen, addresses)
		if !loopback(cfg.Admin.Listen) {
			d.invalid("admin.listen", cfg.Admin.Listen+" is reachable from outside and has no TLS",
				"listen on 127.0.0.1 and use a tunnel")
		}
	}
	if (cfg.Discovery.Advertise || cfg.Discovery.Browse) && cfg.Discovery.EndpointID == "" {
		d.invalid("discovery.endpoint_id", "bindings are shown under an Endpoint ID", "write for example self::gateway")
	}
	for i, c := range cfg.Controllers {
		d.endpointID(fmt.Sprintf("controllers[%d].endpoint_id", i), c.EndpointID)
	}
	d.roles(cfg)
	d.records(cfg)
	d.defaults(cfg)
	d.unknownControllers(cfg)
	d.oneOf("log.level", cfg.Log.Level, "debug", "info", "warn", "error")
	d.oneOf("log.format", cfg.Log.Format, "console", "json")
	d.positive("routing.window", cfg.Routing.Window)
	d.positive("routing.queue_limit", cfg.Routing.QueueLimit)
	d.positive("routing.total_limit", cfg.Routing.Total)
	d.positive("routing.hold_limit", cfg.Routing.HoldLimit)
	d.oneOf("routing.queue_overflow", cfg.Routing.Overflow, "refuse", "drop_oldest")
	d.positive("translate.max_devices", cfg.Translate.MaxDevices)
	d.positive("translate.max_awake", cfg.Translate.MaxAwake)
	d.freshness(&cfg.Translate)
	d.proxied(cfg)
	if p := cfg.Translate.Poll; p != 0 && p < Duration(10*time.Second) {
		d.invalid("translate.poll_interval", "that often no CPE should be woken", "write 10s or more, or 0 for not at all")
	}
	if cfg.Translate.Deadline == 0 {
		d.invalid("translate.deadline", "0 would fail every request", "write for example 30s")
	}
}

func (d *decoder) auth(path string, a *Auth, modes ...string) {
	d.oneOf(path+".mode", a.Mode, modes...)
	if a.Mode == "password" && len(a.Users) == 0 {
		d.invalid(path+".users", "nobody could log in", "add a user or set mode: none")
	}
	for i, u := range a.Users {
		user := fmt.Sprintf("%s.users[%d]", path, i)
		if u.Username == "" {
			d.invalid(user+".username", "the user has no name", "name it")
		}
		if u.Password == "" {
			d.invalid(user+".password", "the user has no password and anybody could log in",
				"set password or password_file")
		}
	}
}

func (d *decoder) tls(path string, t *TLS) {
	if (t.Cert == "") != (t.Key == "") {
		d.invalid(path, "certificate and key go together", "set cert and key, or none of them")
	}
	if len(t.CRL) > 0 && t.ClientCA == "" && t.ServerCA == "" {
		d.invalid(path+".crl", "a revocation list needs the CA that signs it", "set client_ca or server_ca")
	}
	d.oneOf(path+".min_version", t.MinVersion, "1.2", "1.3")
	d.oneOf(path+".crl_expired", t.CRLExpired, "refuse", "allow")
}

// tlsFiles checks what a block is together with the top-level one, and makes it
// so.
func (d *decoder) tlsFiles(path string, t *TLS, top TLS) {
	if t.Shared && top.Cert == "" && t.Cert == "" && top.ServerCA == "" {
		d.invalid(path+".shared", "the top-level tls block is empty", "set tls.cert and tls.key")
	}
	*t = t.Merged(top)
	d.tls(path, t)
}

// exposed refuses a public listener that anybody may use.
func (d *decoder) exposed(path, listen, mode string, insecure bool) {
	if mode == "none" && !insecure && !loopback(listen) {
		d.invalid(path+".listen", listen+" is reachable from outside and asks nobody who they are",
			"set auth.mode, listen on 127.0.0.1, or say insecure: true")
	}
}

func loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return true // reported as an address
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func (d *decoder) address(path, listen string, taken map[string]string) {
	d.addressOf("", path, listen, taken)
}

// addressOf is address for one network, whose name precedes what is taken.
func (d *decoder) addressOf(network, path, listen string, taken map[string]string) {
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		d.invalid(path, fmt.Sprintf("%q is not host:port", listen), "write for example 127.0.0.1:8080 or :8080")
		return
	}
	if other, ok := taken[network+listen]; ok && port != "0" {
		d.invalid(path, listen+" is taken by "+other, "choose another port")
		return
	}
	taken[network+listen] = path
}

func (d *decoder) endpointID(path, id string) {
	if _, err := usp.ParseEndpointID(id); err != nil {
		d.invalid(path, err.Error(), "write for example self::controller")
	}
}

func (d *decoder) topic(path, topic string) {
	switch {
	case strings.Count(topic, "{endpoint_id}") != 1:
		d.invalid(path, fmt.Sprintf("%q does not hold {endpoint_id} once", topic),
			"write for example usp/v1/agent/{endpoint_id}")
	case strings.ContainsAny(topic, "+#"):
		d.invalid(path, fmt.Sprintf("%q is a filter", topic), "leave + and # out")
	}
}

func (d *decoder) oneOf(path, value string, allowed ...string) {
	if slices.Contains(allowed, value) {
		return
	}
	hint := "write " + strings.Join(allowed, ", ")
	if n := nearest(value, allowed); n != "" {
		hint = "did you mean " + n + "?"
	}
	d.invalid(path, fmt.Sprintf("%q is not known", value), hint)
}

func (d *decoder) positive(path string, n int) {
	if n <= 0 {
		d.invalid(path, fmt.Sprintf("%d is not positive", n), "remove the key for the default")
	}
}
