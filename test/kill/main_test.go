// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/test/harness"
)

// program is the gateway.
var program harness.Program

func TestMain(m *testing.M) { goleak.VerifyTestMain(program.Main(m)) }
