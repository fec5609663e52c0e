// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"testing"

	"github.com/uspgate/uspgate/translate/model"
)

func TestLoadEmbedded(t *testing.T) {
	t.Parallel()
	if _, err := model.Load(""); err != nil {
		t.Fatal(err)
	}
}
