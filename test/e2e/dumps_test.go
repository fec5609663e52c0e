// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/test/harness"
)

func TestEveryDumpAnswersGetDevice(t *testing.T) {
	t.Parallel()
	folder := harness.Shared(t, "cwmp", "data", "dumps")
	dumps, err := filepath.Glob(filepath.Join(folder, "*.csv"))
	if err != nil || len(dumps) == 0 {
		t.Fatalf("got %v and no dump in %s", err, folder)
	}
	for _, dump := range dumps {
		t.Run(strings.TrimSuffix(filepath.Base(dump), ".csv"), func(t *testing.T) {
			t.Parallel()
			gw := harness.Start(t, "translate: {freshness: 0s}\n")
			c := gw.CPE(dump, nil)
			params := get(t, gw.WS(), c, "Device.")
			if params["Device.DeviceInfo.SerialNumber"] == "" || params["Device.LocalAgent.EndpointID"] == "" {
				t.Errorf("got %d parameters, without serial number or Endpoint ID", len(params))
			}
			t.Logf("%d parameters", len(params))
		})
	}
}
