// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"encoding/xml"
	"testing"
	"unicode/utf8"

	"github.com/uspgate/uspgate/translate/model"
)

// IsText agrees with a reader of XML, for every character.
func TestIsText(t *testing.T) {
	t.Parallel()
	for r := range utf8.MaxRune + 1 {
		s := "a" + string(r) + "b"
		if !utf8.ValidRune(r) {
			continue
		}
		if r < 0x3000 || r > 0xD000 && r < 0x10100 || r%997 == 0 {
			want := r == '<' || r == '&' || xml.Unmarshal([]byte("<v>"+s+"</v>"), new(string)) == nil
			if got := model.IsText(s); got != want {
				t.Errorf("%+q: got %t, want %t", s, got, want)
			}
		}
	}
	for _, s := range []string{"\xff", "a\xc3", "\xed\xa0\x80"} {
		if model.IsText(s) {
			t.Errorf("%+q: got text, want none", s)
		}
	}
	if !model.IsText("") || !model.IsText("\uFFFD") {
		t.Error("got no text for an empty value or U+FFFD")
	}
}
