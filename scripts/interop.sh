#!/usr/bin/env bash
# SPDX-FileCopyrightText: The uspgate authors
# SPDX-License-Identifier: Apache-2.0
#
# Installs the foreign peers, where they are missing, and runs the tests against
# them. Everything stays on the loopback interface.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  apt-get update -qq
  apt-get install -y -qq nodejs npm >/dev/null
fi
(cd test/interop/uspjs && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)

exec "${GO:-go}" test -tags interop -count=1 -timeout 5m -v ./test/interop/...
