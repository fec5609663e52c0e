// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package quirks_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// parallel is how many CPE are managed at the same time: they mostly wait.
const parallel = "24"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", parallel); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
