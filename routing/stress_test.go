// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// TestManyAtOnce has senders, receivers and reconnects run against each other:
// nothing is lost, and each peer sees each sender's Records in order.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	const agents, rounds = 8, 300
	r := newRouter(t, routing.Options{WindowRecords: 16, DrainRecords: 8})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	id := func(i int) usp.EndpointID { return usp.EndpointID("os::012345-" + strconv.Itoa(i)) }
	for i := range agents {
		up(t, r, agentPeer(id(i))).kill()
	}
	var senders, receivers sync.WaitGroup
	stop := make(chan struct{})
	received := make([]sync.Map, agents)
	for i := range agents {
		receivers.Go(func() { receive(t, r, id(i), &received[i], stop) })
	}
	controllers := make([]*link, 3)
	for n := range controllers {
		from := usp.EndpointID(fmt.Sprintf("self::%d", n))
		c := up(t, r, controllerPeer(from))
		controllers[n] = c
		senders.Go(func() {
			for k := range rounds {
				c.send(msg(from, id(k%agents), fmt.Sprintf("%s %d", from, k)))
			}
		})
	}
	senders.Wait()
	for _, c := range controllers {
		for tok := mtp.Token(1); tok <= rounds; tok++ {
			c.wantAck(tok, nil)
		}
	}
	eventually(t, "everything to arrive", func() bool {
		n := 0
		for i := range received {
			received[i].Range(func(any, any) bool { n++; return true })
		}
		return n == len(controllers)*rounds
	})
	close(stop)
	receivers.Wait()
	for _, c := range controllers {
		c.kill()
	}
	cancel()
	<-ended
}

// receive is an Agent whose Link dies now and then.
func receive(t *testing.T, r *routing.Router, id usp.EndpointID, got *sync.Map, stop chan struct{}) {
	t.Helper()
	last := map[string]int{}
	for life := 0; ; life++ {
		l := up(t, r, agentPeer(id))
		l.mu.Lock()
		l.limit = 1 + life%5
		l.mu.Unlock()
		for n := 0; n < 20+life; {
			select {
			case <-stop:
				l.kill()
				return
			default:
			}
			if l.outstanding() == 0 {
				eventuallyOr(t, stop, func() bool { return l.outstanding() > 0 })
				continue
			}
			o := l.queued()[0]
			from, num, _ := strings.Cut(string(o.rec.Header().Payload), " ")
			k, _ := strconv.Atoi(num)
			if before, ok := last[from]; ok && k <= before {
				t.Errorf("%s: %s %d came after %d", id, from, k, before)
			}
			last[from] = k
			got.Store(string(o.rec.Header().Payload), true)
			l.settle(0, nil)
			n++
		}
		l.kill()
	}
}

// eventuallyOr waits for cond or the end of the test.
func eventuallyOr(t *testing.T, stop chan struct{}, cond func() bool) {
	t.Helper()
	eventually(t, "a Record or the end", func() bool {
		select {
		case <-stop:
			return true
		default:
			return cond()
		}
	})
}
