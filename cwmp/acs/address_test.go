// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// One address, or IPv6 network, has so many connections, and as many again while a
// session is open from it: its CPE may use one for each POST [quirk 39].
func TestMaxConnsPerAddress(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	h := &script{next: []cwmp.Request{getDevice}}
	bubble(t, h, acs.Options{MaxConnsPerAddress: 2, Metrics: reg}, func(b bed) {
		t := b.T
		refused := 0
		full := func(addr string) {
			t.Helper()
			p := b.cpeAt(addr)
			p.connect()
			if _, err := p.r.ReadByte(); err == nil {
				t.Fatalf("got a byte from the third connection of %s, want it closed", addr)
			}
			refused++
			wantCount(t, reg, "uspgate_cwmp_rejected_total", "address", float64(refused))
		}
		one := b.cpeAt("192.0.2.1")
		one.connect()
		b.cpeAt("192.0.2.1").connect()
		b.cpeAt("2001:db8::1").connect()
		b.cpeAt("2001:db8::2").connect()
		synctest.Wait()
		full("192.0.2.1")
		full("2001:db8::3")
		b.cpeAt("192.0.2.2").connect()
		one.post(inform("1")).envelope("InformResponse")
		next := b.cpeAt("192.0.2.1")
		next.cookie = one.cookie
		id := next.post("").envelope("GetParameterValues").ID
		next.post(message(id, getValues)).want(204)
		next.hangUp()
		one.hangUp()
		synctest.Wait()
		b.cpeAt("192.0.2.1").post(inform("2")).envelope("InformResponse") // they are counted out
	})
}
