// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/config"
)

func TestProxiedProblems(t *testing.T) {
	t.Parallel()
	const of = `translate: {proxied: {endpoint_id: "self::g"`
	for text, want := range map[string]string{
		`translate: {proxied: {endpoint_id: gateway}}`:       "translate.proxied.endpoint_id",
		of + `, max: 1001}}`:                                 "translate.proxied.max: want 1 to 1000",
		of + `, online_for: 1s}}`:                            "translate.proxied.online_for: shorter than",
		of + `, select: [{oui: ""}]}}`:                       "translate.proxied.select[0].oui",
		of + "}}\ncontrollers: [{endpoint_id: \"self::g\"}]": "it is that of translate.proxied",
		of + "}}\nengine: {url: \"nats://127.0.0.1:4222\"}":  "for one node alone",
	} {
		_, err := config.Parse("f.yaml", []byte(text), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
	c, err := config.Parse("f.yaml", []byte(`translate: {proxied: {endpoint_id: "self::g"}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Translate.Proxied.Max; got != 1000 {
		t.Errorf("got max %d, want 1000", got)
	}
}
