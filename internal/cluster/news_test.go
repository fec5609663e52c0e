// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/internal/cluster"
)

// ear notes what a node hears.
type ear struct {
	mu   sync.Mutex
	said []string
}

func (e *ear) hear(data []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.said = append(e.said, string(data))
}

func (e *ear) heard() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.said)
}

// TestNews: all others hear what a node tells, in order, and of what they listen to;
// itself it does not.
func TestNews(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	reg := prometheus.NewPedanticRegistry()
	a := o.start("a", func(c *cluster.Options) { c.Metrics = reg })
	b, c := o.start("b", nil), o.start("c", nil)
	var atA, atB, atC ear
	a.Hear("x", atA.hear)
	b.Hear("x", atB.hear)
	c.Hear("x", atC.hear)
	knows(t, reg, 3)
	var want []string
	big := strings.Repeat("b", cluster.MaxNewsBytes-4)
	for i := range 100 {
		want = append(want, fmt.Sprintf("%03d %s", i, big))
		a.Tell("x", []byte(want[i]))
		a.Tell("y", []byte("nobody listens"))
	}
	a.Tell("x", make([]byte, cluster.MaxNewsBytes+1))
	for name, e := range map[string]*ear{"b": &atB, "c": &atC} {
		eventually(t, name+" hears all", func() bool { return len(e.heard()) >= len(want) })
		if !slices.Equal(e.heard(), want) {
			t.Errorf("%s: got %d items, want the 100 in order", name, len(e.heard()))
		}
	}
	if got := atA.heard(); len(got) != 0 {
		t.Errorf("a: got %d items, want none of its own", len(got))
	}
	if got := newsCount(t, reg, "dropped"); got != 1 {
		t.Errorf("got %d dropped, want the one that is too long", got)
	}
	eventually(t, "all are told", func() bool { return newsCount(t, reg, "told") == 400 })
}

// TestNewsAreBounded: a node that is not reached costs nothing but the news.
func TestNewsAreBounded(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	reg := prometheus.NewPedanticRegistry()
	a := o.start("a", func(c *cluster.Options) { c.MaxNews, c.Metrics = 10, reg })
	b := o.start("b", nil)
	var atB ear
	b.Hear("x", atB.hear)
	knows(t, reg, 2)
	o.hub.Cut(b.bus, true)
	const all = 10_000
	for range all {
		a.Tell("x", []byte("lost"))
	}
	dropped := newsCount(t, reg, "dropped")
	if dropped == 0 {
		t.Error("got none dropped, want no more than 10 to wait")
	}
	eventually(t, "the others are lost", func() bool { return newsCount(t, reg, "lost") == all-dropped })
	o.hub.Cut(b.bus, false)
	a.Tell("x", []byte("now"))
	eventually(t, "b hears again", func() bool { return slices.Equal(atB.heard(), []string{"now"}) })
}

// TestAsk: who has an answer gives one, the others do not keep anybody waiting.
func TestAsk(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	reg := prometheus.NewPedanticRegistry()
	a := o.start("a", func(c *cluster.Options) { c.Metrics = reg })
	b, c, d := o.start("b", nil), o.start("c", nil), o.start("d", nil)
	a.Answer("x", func(context.Context, []byte) []byte { return []byte("a") })
	b.Answer("x", func(_ context.Context, q []byte) []byte { return append([]byte("b:"), q...) })
	c.Answer("x", func(context.Context, []byte) []byte { return nil })
	held := make(chan struct{})
	d.Answer("x", func(ctx context.Context, _ []byte) []byte {
		defer close(held)
		<-ctx.Done()
		return nil
	})
	knows(t, reg, 4)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	got := a.Ask(ctx, "x", []byte("why"))
	if len(got) != 1 || string(got[0]) != "b:why" {
		t.Errorf("got %q, want the answer of b", got)
	}
	if got := a.Ask(ctx, "x", make([]byte, cluster.MaxNewsBytes+1)); got != nil {
		t.Errorf("got %q, want nobody asked: it is too long", got)
	}
	d.stop() // ends the life, and with it what is being answered
	<-held
}

// count is the value of a metric, of the one with that label if it has any.
func count(t *testing.T, reg *prometheus.Registry, name, label string) int {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return int(sum)
}

func newsCount(t *testing.T, reg *prometheus.Registry, result string) int {
	t.Helper()
	return count(t, reg, "uspgate_cluster_news_total", result)
}

// knows waits until so many nodes are known.
func knows(t *testing.T, reg *prometheus.Registry, nodes int) {
	t.Helper()
	eventually(t, "the others are known", func() bool { return count(t, reg, "uspgate_cluster_nodes", "") == nodes })
}
