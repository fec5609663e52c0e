// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"
)

// Files is the file server for CPE.
type Files struct {
	Listen         string   `yaml:"listen" doc:"host:port; empty: none"`
	TLS            TLS      `yaml:"tls" doc:"certificate files; empty: no TLS"`
	BaseURL        string   `yaml:"base_url" doc:"how CPE reach it, such as http://files.example.net:7567; empty: the address of listen"`
	Auth           string   `yaml:"auth" doc:"how CPE log in with the password that the RPC tells them: auto (Digest, with TLS Basic), digest, basic, or none: the URL is a secret, too"`
	Insecure       bool     `yaml:"insecure" doc:"allow a listener on a public address with auth: none"`
	Root           string   `yaml:"root" doc:"folder of what Controllers may name as uspgate:NAME for a download; empty: nothing"`
	UploadRoot     string   `yaml:"upload_root" doc:"folder of what they may name for an upload; a folder in NAME has to exist; empty: nothing"`
	Relay          []string `yaml:"relay" doc:"beginnings of URLs, such as https://files.example.net/firmware/: what Controllers name there for a download the gateway fetches and serves itself"`
	RelayCA        string   `yaml:"relay_ca" doc:"PEM file of the authorities of those servers; empty: those of the system"`
	RelayDir       string   `yaml:"relay_dir" doc:"folder of what was fetched; empty: relay below data_dir"`
	MaxRelay       Size     `yaml:"max_relay" doc:"largest file that is fetched"`
	MaxRelayTotal  Size     `yaml:"max_relay_total" doc:"bytes of all files that were fetched and are kept"`
	Lifetime       Duration `yaml:"lifetime" doc:"how long a URL is good; a transfer that has begun may end"`
	ProxyFrom      []string `yaml:"proxy_from" doc:"networks of load balancers that send a PROXY protocol header"`
	MaxConnections int      `yaml:"max_connections" doc:"connections at the same time"`
	MaxPerAddress  int      `yaml:"max_connections_per_address" doc:"of these from one address; 0: no bound of its own"`
	MaxTransfers   int      `yaml:"max_transfers" doc:"transfers at the same time; more get 503"`
	MaxAddress     int      `yaml:"max_transfers_per_address" doc:"of these from one address, or IPv6 /64"`
	MaxRate        Size     `yaml:"max_rate" doc:"bytes per second of all downloads together; 0: no bound"`
	MaxRateEach    Size     `yaml:"max_rate_per_transfer" doc:"bytes per second of one download; 0: no bound"`
	MaxUpload      Size     `yaml:"max_upload" doc:"largest upload"`
	MaxUploadTotal Size     `yaml:"max_upload_total" doc:"bytes of all uploads, running and of URLs that are open"`
}

// Transfers bounds what a CPE is asked to fetch and to send.
type Transfers struct {
	MaxPerDevice int      `yaml:"max_per_device" doc:"transfers of one CPE under way"`
	SessionWait  Duration `yaml:"session_wait" doc:"how long a transfer waits for a session of its CPE"`
	ReportWait   Duration `yaml:"report_wait" doc:"how long a CPE may take until TransferComplete, after it was asked or was last seen at work"`
}

func defaultFiles() Files {
	return Files{
		TLS: DefaultTLS(), Auth: "auto", Lifetime: Duration(24 * time.Hour), MaxConnections: 2000, MaxTransfers: 500,
		MaxAddress: 50, MaxUpload: 64 << 20, MaxUploadTotal: 1 << 30, MaxRelay: 256 << 20, MaxRelayTotal: 2 << 30,
	}
}

func defaultTransfers() Transfers {
	return Transfers{
		MaxPerDevice: 16, SessionWait: Duration(24 * time.Hour), ReportWait: Duration(time.Hour),
	}
}

// files checks cwmp.files and cwmp.transfers.
func (d *decoder) files(cfg *Config, addresses map[string]string) {
	const path = "cwmp.files"
	f, t := &cfg.CWMP.Files, &cfg.CWMP.Transfers
	d.positive("cwmp.transfers.max_per_device", t.MaxPerDevice)
	for key, v := range map[string]Duration{"session_wait": t.SessionWait, "report_wait": t.ReportWait} {
		if v == 0 {
			d.invalid("cwmp.transfers."+key, "0 would fail every transfer", "write for example 1h")
		}
	}
	d.tlsFiles(path+".tls", &f.TLS, cfg.TLS)
	d.oneOf(path+".auth", f.Auth, "auto", "digest", "basic", "none")
	d.networks(path+".proxy_from", f.ProxyFrom)
	d.positive(path+".max_connections", f.MaxConnections)
	d.positive(path+".max_transfers", f.MaxTransfers)
	d.positive(path+".max_transfers_per_address", f.MaxAddress)
	d.positive(path+".max_upload", int(f.MaxUpload))
	d.positive(path+".max_upload_total", int(f.MaxUploadTotal))
	if f.Lifetime < Duration(time.Minute) {
		d.invalid(path+".lifetime", "no CPE is so quick", "write for example 24h")
	}
	if f.Listen == "" {
		return
	}
	d.address(path+".listen", f.Listen, addresses)
	d.exposed(path, f.Listen, f.Auth, f.Insecure)
	d.baseURL(path+".base_url", f)
	if f.Root == "" && f.UploadRoot == "" && len(f.Relay) == 0 {
		d.invalid(path+".root", "there is nothing to serve", "name a folder in root or in upload_root")
	}
	for i, begin := range f.Relay {
		if !isBase(begin) {
			d.invalid(fmt.Sprintf("%s.relay[%d]", path, i), "not the beginning of a URL of http or https",
				"write for example https://files.example.net/firmware/")
		}
	}
	if len(f.Relay) > 0 && f.RelayDir == "" && cfg.DataDir == "" {
		d.invalid(path+".relay_dir", "there is no data_dir either", "name a folder")
	}
}

// baseURL checks how CPE reach the file server.
func (d *decoder) baseURL(path string, f *Files) {
	host, _, err := net.SplitHostPort(f.Listen)
	if err != nil {
		return // reported as an address
	}
	ip, err := netip.ParseAddr(host)
	if f.BaseURL == "" {
		if host == "" || err == nil && ip.IsUnspecified() {
			d.invalid(path, f.Listen+" is no address that a CPE could be told",
				"write for example http://files.example.net:7567")
		}
		return
	}
	if !isBase(f.BaseURL) {
		d.invalid(path, "not a URL of http or https", "write for example http://files.example.net:7567")
	}
}

// isBase reports whether text is the beginning of a URL of http or https.
func isBase(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.RawQuery == ""
}
