// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

func TestDrain(t *testing.T) {
	t.Run("open sessions end in order, new ones are sent away", func(t *testing.T) {
		h := &script{next: []cwmp.Request{getDevice}}
		bubble(t, h, acs.Options{}, func(b bed) {
			t := b.T

			p, late := b.newCPE(), b.newCPE()
			p.post(inform("1")).envelope("InformResponse")
			id := p.post("").envelope("GetParameterValues").ID
			b.stop()
			synctest.Wait()
			if a := late.post(inform("2")).want(http.StatusServiceUnavailable); a.head.Get("Retry-After") == "" {
				t.Fatal("got no Retry-After, want one")
			}
			p.post(message(id, getValues)).want(http.StatusNoContent)
			h.wantClosed(t, nil)
		})
	})
	t.Run("but not for ever", func(t *testing.T) {
		h := &script{next: []cwmp.Request{getDevice}}
		bubble(t, h, acs.Options{}, func(b bed) {
			t := b.T

			p := b.newCPE()
			p.post(inform("1")).envelope("InformResponse")
			p.post("").envelope("GetParameterValues")
			b.stop()
			h.wantClosedAfter(t, 10*time.Second, acs.ErrShutdown)
		})
	})
	t.Run("the Handler is interrupted", func(t *testing.T) {
		h := &script{onNext: func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}}
		bubble(t, h, acs.Options{}, func(b bed) {
			t := b.T

			p := b.newCPE()
			p.post(inform("1")).envelope("InformResponse")
			if _, err := io.WriteString(p.c, p.text("")); err != nil {
				t.Fatal(err)
			}
			b.stop()
			h.wantClosedAfter(t, 10*time.Second, acs.ErrShutdown)
		})
	})
}
