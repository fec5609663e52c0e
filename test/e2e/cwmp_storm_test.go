// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	cwmpcpe "github.com/uspgate/uspgate/cwmp/cpe"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
)

// While more CPE come than are served, one that somebody waits for is served at once.
func TestAwaitedCPEInAStorm(t *testing.T) {
	t.Parallel()
	gw := harness.Start(t, "translate: {freshness: 0s, linger: 0s}\ncwmp: {session_rate: 10, session_burst: 10}\n")
	var failed atomic.Int32
	box := gw.CPE("tr098-dsl", func(o *cpe.Options) {
		o.OnSession = func(s cwmpcpe.Session) {
			if s.Err != nil {
				failed.Add(1)
			}
		}
	})
	c := gw.Controller(gw.WS(), "self::noc")
	door, over, ended := &doorbell{t: t, url: gw.ACS()}, make(chan struct{}), make(chan int, 1)
	storm := make(chan struct{})
	go func() {
		refused := 0
		for serial := 9; ; serial++ { // each comes once: nobody waits for it
			select {
			case <-over:
				ended <- refused
				return
			default:
			}
			if status, _ := door.ring(strconv.Itoa(serial), "", ""); status == http.StatusServiceUnavailable {
				if refused++; refused == 3 {
					close(storm)
				}
			}
		}
	}()
	<-storm
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 3 {
		if _, err := c.Get(ctx, box.Agent, 0, "Device.DeviceInfo.SerialNumber"); err != nil {
			t.Errorf("got %v, want the CPE to answer", err)
		}
	}
	close(over)
	if refused := <-ended; failed.Load() != 0 {
		t.Errorf("got %d of its sessions refused, want none while %d of others were", failed.Load(), refused)
	}
}
