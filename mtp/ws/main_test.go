// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain also is the process of the Agents of TestManyLinks, which need as many
// descriptors as the Links that they connect to.
func TestMain(m *testing.M) {
	if conf := os.Getenv(crowdVariable); conf != "" {
		if err := runCrowd(conf); err != nil {
			fmt.Fprintln(os.Stderr, "crowd:", err)
			os.Exit(1) //nolint:forbidigo // a process of its own says so that it failed
		}
		return
	}
	goleak.VerifyTestMain(m)
}
