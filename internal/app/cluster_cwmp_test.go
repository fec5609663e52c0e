// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/app"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestAwaited: a CPE is awaited for a while since it was last woken, and no more than
// a number of them.
func TestAwaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		box := func(n int) cwmp.DeviceID {
			return cwmp.DeviceID{Manufacturer: "M", OUI: "00d09e", ProductClass: "P", SerialNumber: strconv.Itoa(n)}
		}
		w := app.NewAwaited()
		if w.Has(box(0)) {
			t.Fatal("got a CPE that is awaited, want none")
		}
		w.Add(box(0).Key().String())
		<-time.After(app.AwaitedTime - time.Second)
		if !w.Has(box(0)) || w.Has(box(1)) {
			t.Errorf("got %t and %t, want the one that was woken alone", w.Has(box(0)), w.Has(box(1)))
		}
		w.Add(box(0).String())
		<-time.After(2 * time.Second)
		if !w.Has(box(0)) {
			t.Error("got it forgotten, want its time to begin anew when it is woken again")
		}
		<-time.After(app.AwaitedTime)
		if w.Has(box(0)) || w.Len() != 0 {
			t.Errorf("got %d awaited after their time, want none", w.Len())
		}
		for n := range app.MaxAwaited + 10 {
			w.Add(box(n).String())
		}
		if w.Len() != app.MaxAwaited || !w.Has(box(0)) || w.Has(box(app.MaxAwaited)) {
			t.Errorf("got %d, want the first %d", w.Len(), app.MaxAwaited)
		}
		<-time.After(app.AwaitedTime + time.Second)
		w.Add(box(app.MaxAwaited).String())
		if w.Len() != 1 || !w.Has(box(app.MaxAwaited)) {
			t.Errorf("got %d, want those whose time is over to make room", w.Len())
		}
	})
}
