// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/config"
)

func TestFiles(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ cwmp, want string }{
		{`files: {listen: "127.0.0.1:7567", root: /srv}`, ""},
		{`files: {listen: "10.0.0.1:7567", upload_root: /srv, max_rate: 10MiB}`, ""},
		{`files: {listen: ":7567", root: /srv, base_url: "http://files.example.net:7567/x"}`, ""},
		{`files: {listen: "127.0.0.1:7567"}`, "cwmp.files.root: there is nothing to serve"},
		{`files: {listen: "7567", root: /srv}`, `cwmp.files.listen: "7567" is not host:port`},
		{`files: {listen: "127.0.0.1:7547", root: /srv}`, "cwmp.files.listen: 127.0.0.1:7547 is taken by cwmp.listen"},
		{`files: {listen: ":7567", root: /srv}`, "cwmp.files.base_url: :7567 is no address that a CPE could be told"},
		{`files: {listen: "0.0.0.0:7567", root: /srv}`, "cwmp.files.base_url: 0.0.0.0:7567 is no address"},
		{`files: {listen: "127.0.0.1:1", root: /srv, base_url: "ftp://h"}`, "cwmp.files.base_url: not a URL of http"},
		{`files: {listen: "127.0.0.1:1", root: /srv, base_url: "http://u:p@h"}`, "cwmp.files.base_url: not a URL of http"},
		{`files: {listen: "10.0.0.1:1", root: /srv, auth: none}`, "cwmp.files.listen: 10.0.0.1:1 is reachable from outside"},
		{`files: {listen: "10.0.0.1:1", root: /srv, auth: none, insecure: true}`, ""},
		{`files: {listen: "127.0.0.1:1", relay: ["https://h/x"]}`, ""},
		{`files: {listen: "127.0.0.1:1", relay: ["h/x"]}`, "cwmp.files.relay[0]: not the beginning of a URL"},
		{`files: {auth: certificate}`, `cwmp.files.auth: "certificate" is not known`},
		{`files: {lifetime: 1s}`, "cwmp.files.lifetime: no CPE is so quick"},
		{`files: {max_transfers: 0}`, "cwmp.files.max_transfers: 0 is not positive"},
		{`files: {max_upload: 0}`, "cwmp.files.max_upload: 0 is not positive"},
		{`files: {proxy_from: [lb]}`, `cwmp.files.proxy_from[0]: "lb" is not a network`},
		{`files: {tls: {shared: true}}`, "cwmp.files.tls.shared: the top-level tls block is empty"},
		{`transfers: {max_per_device: 0}`, "cwmp.transfers.max_per_device: 0 is not positive"},
		{`transfers: {report_wait: 0s}`, "cwmp.transfers.report_wait: 0 would fail every transfer"},
	} {
		_, err := config.Parse("f.yaml", []byte("cwmp: {"+tc.cwmp+"}\n"), nil)
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: got %v, want nil", tc.cwmp, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: got %v, want %s", tc.cwmp, err, tc.want)
		}
	}
}
