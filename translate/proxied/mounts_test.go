// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package proxied

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/cohort"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
)

// shelf keeps the State of one Agent.
type shelf struct {
	agent.Keeper

	state *agent.State
}

func (s *shelf) Load(usp.EndpointID) (*agent.State, error) { return s.state, nil }

func (s *shelf) LoadTree(usp.EndpointID) (*agent.Tree, error) { return nil, nil } //nolint:nilnil // there is none

func (s *shelf) Save(_ usp.EndpointID, st *agent.State) error {
	s.state = st
	return nil
}

// nobody are Virtual Agents that cannot be asked.
type nobody struct{}

func (nobody) Ask(agent.Asked) error                 { return agent.ErrUnknownAgent }
func (nobody) Deliver(usp.Record, func(error)) error { return agent.ErrUnknownAgent }
func (nobody) EndpointOf(id cwmp.DeviceID) (usp.EndpointID, bool) {
	return agent.EndpointIDFor(id), true
}

func cpeOf(serial string) cwmp.DeviceID {
	return cwmp.DeviceID{OUI: "00D09E", ProductClass: "DSL100", SerialNumber: serial}
}

func newGateway(t *testing.T, keeper agent.Keeper, limit int, sel ...cohort.Selector) *Gateway {
	t.Helper()
	rules, err := model.Load("")
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(Options{
		EndpointID: "self::gateway", Agents: nobody{}, Max: limit, Select: sel, Metrics: prometheus.NewRegistry(),
		Agent: agent.Options{Send: func(usp.Record) {}, Rules: rules, Keeper: keeper},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// known tells a Gateway of all CPE, and returns who is mounted as what.
func known(t *testing.T, g *Gateway, serials ...string) string {
	t.Helper()
	for _, s := range serials {
		g.Known(agent.EndpointIDFor(cpeOf(s)), cpeOf(s))
	}
	var text strings.Builder
	for _, m := range g.mounted() {
		fmt.Fprintf(&text, "%d:%s ", m.number, m.id)
	}
	if err := g.tree.Commit(); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// A CPE has its number for ever, and no other CPE gets it.
func TestNumbersAreForEver(t *testing.T) {
	t.Parallel()
	keeper := &shelf{}
	for _, step := range []struct {
		sel     cohort.Selector
		serials []string
		want    string
	}{
		{cohort.Selector{}, []string{"A", "B"}, "1:ops::00D09E-DSL100-A 2:ops::00D09E-DSL100-B "},
		{
			cohort.Selector{Serial: cohort.Patterns{"B", "C"}},
			[]string{"A", "B", "C"},
			"2:ops::00D09E-DSL100-B 3:ops::00D09E-DSL100-C ",
		},
		{
			cohort.Selector{},
			[]string{"A", "B", "C", "D"},
			"1:ops::00D09E-DSL100-A 2:ops::00D09E-DSL100-B 3:ops::00D09E-DSL100-C 4:ops::00D09E-DSL100-D ",
		},
	} {
		if got := known(t, newGateway(t, keeper, 0, step.sel), step.serials...); got != step.want {
			t.Errorf("%s: got %s, want %s", step.sel.String(), got, step.want)
		}
	}
}

// One CPE more than Max is not mounted, and counted once.
func TestMax(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &shelf{}, 1)
	if got, want := known(t, g, "A", "B", "B", "C"), "1:ops::00D09E-DSL100-A "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := testutil.ToFloat64(g.metrics.refused); got != 2 {
		t.Errorf("got %v refused, want 2", got)
	}
	g.Heard(cpeOf("A"), "")
	if at, online := g.Contact(agent.EndpointIDFor(cpeOf("A"))); !online || at.IsZero() {
		t.Errorf("got %v, %v, want that it was heard of", at, online)
	}
}

func TestNewRefusesWhatIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}); err == nil || errors.Is(err, agent.ErrClosed) {
		t.Errorf("got %v, want an error", err)
	}
}
