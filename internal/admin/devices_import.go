// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/uspgate/uspgate/internal/inventory"
)

// Bounds of a file that is imported, of which no more is in memory than one entry, and
// of a wake.
const (
	maxImport   = 16 << 30         // bytes
	importWait  = 30 * time.Second // for the next bytes of the file
	importTime  = time.Hour        // for all of it
	wakeTimeout = 50 * time.Second
)

// ErrBusy is returned by Import while another one is under way.
var ErrBusy = errors.New("another import is under way")

// errImportTime ends an import that takes too long.
var errImportTime = errors.New("the file did not come within an hour; divide it")

func (s *Server) importDevices(w http.ResponseWriter, r *http.Request) {
	q, ok := query(w, r, "format", "dry_run")
	if !ok {
		return
	}
	format := inventory.Auto
	if text, given := q["format"]; given {
		format = inventory.Format(text)
	}
	dry, given := q["dry_run"]
	switch {
	case !slices.Contains(inventory.Formats(), format):
		refuse(w, http.StatusBadRequest, "format: want auto, csv or genieacs")
		return
	case given && dry != "true":
		refuse(w, http.StatusBadRequest, "dry_run: want true, or leave it out")
		return
	}
	file := &upload{
		r: http.MaxBytesReader(w, r.Body, maxImport), control: http.NewResponseController(w), began: time.Now(),
	}
	out, err := s.o.Devices.Import(r.Context(), file, format, dry == "true")
	file.extend(answerTimeout)
	switch {
	case errors.Is(err, ErrBusy):
		refuse(w, http.StatusConflict, ErrBusy.Error()+"; wait for its end")
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, "nothing was imported: "+err.Error())
	default:
		answer(w, http.StatusOK, out)
	}
}

// upload is the body of a request that may take long, as long as it goes on.
type upload struct {
	r       io.Reader
	control *http.ResponseController
	began   time.Time
}

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	if time.Since(u.began) > importTime {
		return 0, errImportTime
	}
	u.extend(importWait)
	return u.r.Read(p)
}

// extend puts off the deadlines of the connection. Where it has none that is no harm.
func (u *upload) extend(d time.Duration) {
	_ = u.control.SetReadDeadline(time.Now().Add(d))
	_ = u.control.SetWriteDeadline(time.Now().Add(d + answerTimeout))
}
