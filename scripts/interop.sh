#!/usr/bin/env bash
# SPDX-FileCopyrightText: The uspgate authors
# SPDX-License-Identifier: Apache-2.0
#
# Installs the foreign peers, where they are missing, and runs the tests against
# them. Everything stays on the loopback interface.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
have() { command -v "$1" >/dev/null || PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null; }
have node && have npm || missing+=(nodejs npm)
have mosquitto_rr || missing+=(mosquitto-clients)
have mosquitto || missing+=(mosquitto)
have coap-client-openssl || missing+=(libcoap3-bin)
have rabbitmq-server || missing+=(rabbitmq-server)
have prosody || missing+=(prosody)
if ((${#missing[@]})); then
  apt-get update -qq
  policy=/usr/sbin/policy-rc.d # by which a package asks whether it may start its service
  if [[ ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  apt-get install -y -qq "${missing[@]}" >/dev/null
  if [[ $(trap -p EXIT) ]]; then
    rm -f "$policy"
    trap - EXIT
  fi
fi
export PATH="$PATH:/usr/sbin"
(cd test/interop/uspjs && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)

exec "${GO:-go}" test -tags interop -count=1 -timeout 5m -v ./test/interop/... ./test/transcript
