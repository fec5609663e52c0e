// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp/files"
)

// No Range header makes net/http refuse a request, unless it is one that asks for
// what there is not; and one by the book stays as it is.
func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-5,7-", "Bytes = 1-2 , 3-4", "bytes=4-2", "bytes=+1-2", "bytes=1-2,,"} {
		f.Add(s)
	}
	const text = "0123456789"
	f.Fuzz(func(t *testing.T, header string) {
		got := files.Ranges(header)
		if got != "" && files.Ranges(got) != got {
			t.Fatalf("got %q of %q, and then another", got, header)
		}
		if got == "" {
			return
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Range", got)
		http.ServeContent(w, r, "x.bin", time.Time{}, strings.NewReader(text))
		none := w.Code == http.StatusRequestedRangeNotSatisfiable && w.Header().Get("Content-Range") == "bytes */10"
		if w.Code != http.StatusOK && w.Code != http.StatusPartialContent && !none {
			t.Fatalf("got %d of %q, as %q", w.Code, header, got)
		}
	})
}
