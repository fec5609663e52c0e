// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// second starts the Host of the rig anew with other options, and returns another CPE
// of it.
func (r *rig) second(change func(*agent.Options)) *fakeCPE {
	r.end()
	change(&r.opts)
	r.start()
	other := newCPE(r.t, "tr181")
	other.id.SerialNumber += "2"
	return other
}

// Of a crowd of CPE whose Agents sleep as many are served at once as there may be; one
// that waits for too long is to come again. Whom a Controller wants is not among them.
func TestCrowdWaitsAtTheDoor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer func() { r.stop() }()
		other := r.second(func(o *agent.Options) { o.Rising, o.Patience = 1, 7*time.Second })
		wanted := r.attach(other).EndpointID()
		r.host.PutToSleep()
		r.awake(0)
		r.shelf.gate = make(chan struct{})
		first := make(chan error, 1)
		go func() {
			_, err := r.host.Attach(r.cpe)
			first <- err
		}()
		synctest.Wait()
		begin := time.Now()
		if _, err := r.host.Attach(other); !errors.Is(err, agent.ErrCrowded) || time.Since(begin) != 7*time.Second {
			t.Fatalf("got %v after %v, want ErrCrowded after 7 s", err, time.Since(begin))
		}
		if err := r.host.Deliver(usp.NewNoSession("self::ctl", wanted, "1.3", nil), nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		close(r.shelf.gate)
		if err := <-first; err != nil {
			t.Fatalf("got %v for the first, want its Agent", err)
		}
		r.awake(2)
		r.attach(other)
	})
}

// While Agents that have something in hand have more bytes than they may, no CPE has
// another one woken.
func TestCrowdWaitsForRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "tr181")
		defer func() { r.stop() }()
		other := r.second(func(o *agent.Options) { o.MaxAwakeBytes = 1 })
		r.agent.Inform(r.cpe.inform(events("1_BOOT")))
		synctest.Wait()
		begin := time.Now()
		_, err := r.host.Attach(other)
		if !errors.Is(err, agent.ErrCrowded) || time.Since(begin) != agent.DefaultPatience {
			t.Fatalf("got %v after %v, want ErrCrowded after %v", err, time.Since(begin), agent.DefaultPatience)
		}
		time.AfterFunc(time.Second, func() { r.agent.SessionEnded(nil) })
		r.attach(other)
	})
}
