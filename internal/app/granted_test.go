// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"testing"

	"github.com/uspgate/uspgate/internal/app"
	"github.com/uspgate/uspgate/internal/config"
)

// What goes to a Controller over a broker can be read on the way, unless there is TLS or no
// way.
func TestExposes(t *testing.T) {
	t.Parallel()
	for connect, want := range map[string]bool{
		"mqtt://broker.example": true, "ws://192.0.2.1/usp": true, "stomp://[2001:db8::1]:61613": true,
		"mqtts://broker.example": false, "wss://controller.example/usp": false,
		"mqtt://127.0.0.1:1883": false, "mqtt://localhost": false, "stomp://[::1]": false, "unix:///run/usp.sock": false,
	} {
		c := &config.Config{MTP: []config.MTP{{Name: "ws"}, {Name: "field", Connect: connect}}}
		if got := app.Exposes(c, "field"); got != want {
			t.Errorf("%s: got %t, want %t", connect, got, want)
		}
	}
	if app.Exposes(&config.Config{}, "") {
		t.Error("got exposed without a binding, want not")
	}
}
