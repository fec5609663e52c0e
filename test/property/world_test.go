// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// live has every Get answered by the CPE; cached has Gets answered from memory; %s is how
// long a CPE is kept in session.
const (
	live   = "translate: {freshness: 0s, linger: %s, deadline: 10s}\n"
	cached = "translate: {freshness: 1h, linger: %s, deadline: 10s}\n"
)

// world is a gateway with a Controller.
type world struct {
	*harness.Gateway

	ctl *controller.Controller
}

func newWorld(t *testing.T, yaml string) *world {
	t.Helper()
	gw := harness.Start(t, yaml)
	return &world{gw, gw.Controller(gw.WS(), "self::property")}
}

// failer is a *testing.T or a *rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// box is a CPE with its Virtual Agent.
type box struct {
	*cpe.CPE

	shape *shape
	ctl   *controller.Controller
	agent usp.EndpointID
	lost  atomic.Int32 // sessions that broke
	// numbers are those of the rows of shape.mapped, by those that the CPE has.
	numbers map[int]int
	stop    func()
}

// serials makes CPE that the gateway does not know yet.
var serials atomic.Int64

// newBox runs a CPE until stop is called, and waits for its first session.
func newBox(t failer, acs string, ctl *controller.Controller, s *shape) *box {
	t.Helper()
	b := &box{shape: s, ctl: ctl}
	c, err := cpe.New(cpe.Options{
		ACS: acs, Model: s.model, ProductClass: s.class, Serial: strconv.FormatInt(serials.Add(1), 10),
		RebootTime: 10 * time.Millisecond, RetryWait: func(uint32) time.Duration { return 5 * time.Millisecond },
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	b.CPE, b.agent = c, agent.EndpointIDFor(c.Identity())
	b.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Fatalf("CPE: %v", err)
		}
	}
	b.session(t)
	return b
}

// session waits for the end of a session that did not break.
func (b *box) session(t failer) {
	t.Helper()
	deadline := time.After(harness.Timeout)
	for {
		select {
		case s := <-b.Sessions():
			if s.Err == nil {
				return
			}
			b.lost.Add(1)
		case <-deadline:
			t.Fatalf("the CPE had no session")
		}
	}
}

// ask sends a request and returns its answer.
func (b *box) ask(t failer, req *uspmsg.Request) *uspmsg.Msg {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), harness.Timeout)
	defer cancel()
	msg, err := b.ctl.Do(ctx, b.agent, req)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return msg
}

// get is the tree that the Agent shows.
func (b *box) get() (tree, error) {
	ctx, cancel := context.WithTimeout(context.Background(), harness.Timeout)
	defer cancel()
	var paths []string
	for _, t := range b.shape.tables {
		switch {
		case t.parent != nil:
		case t.path == "Device.NAT.PortMapping.":
			paths = append(paths, t.path, "Device.NAT.PortMappingNumberOfEntries")
		case t.single:
			paths = append(paths, t.path)
		default:
			paths = append(paths, t.path, strings.TrimSuffix(t.path, ".")+"NumberOfEntries")
		}
	}
	resp, err := b.ctl.Get(ctx, b.agent, 0, paths...)
	if err != nil {
		return nil, err
	}
	for _, r := range resp.GetReqPathResults() {
		if r.GetErrCode() != 0 {
			return nil, fmt.Errorf("%s: %d %s", r.GetRequestedPath(), r.GetErrCode(), r.GetErrMsg())
		}
	}
	out := tree(controller.Params(resp))
	b.learn(out)
	for path := range out {
		if slices.Contains(b.shape.made, path[strings.LastIndexByte(path, '.')+1:]) {
			delete(out, path)
		}
	}
	return out, nil
}

// equal wants that the Agent shows what the CPE has.
func (b *box) equal() error {
	got, err := b.get()
	if err != nil {
		return err
	}
	if d := differences(got, b.has()); d != "" {
		return errors.New("the Agent shows another tree than the CPE has:\n" + d)
	}
	return nil
}

// eventually waits for it.
func eventually(t failer, what string, f func() error) {
	t.Helper()
	deadline, tick := time.After(harness.Timeout/3), time.NewTicker(2*time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: %v", what, err)
		}
	}
}
