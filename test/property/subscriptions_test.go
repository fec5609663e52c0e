// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
)

// Whatever happens at the CPE, and whoever does it, over restarts of either side: for
// everything that an Inform, a read or a write shows as new there is one Notify for each
// Subscription that is about it, and no other; those that want to be repeated are heard in
// the end; and what Subscriptions are about is known as the CPE has it once it has come.
func TestAnyChangesAreTold(t *testing.T) {
	t.Parallel()
	rules, err := model.Load("")
	if err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func(*testing.T) *shape{"tr098": tr098, "tr181": tr181} {
		s := make(t)
		s.tables = append(s.tables, alone(s, "DeviceInfo", "ProvisioningCode", "UpTime"), alone(s, "Time", "NTPServer1"))
		for mode, o := range map[string]agent.Options{
			"live":   {},
			"cached": {Freshness: time.Hour, Poll: 45 * time.Minute, Idle: time.Minute},
		} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { liveOn(t, s, rules, o) })
			})
		}
	}
}

// alone is an object that is no table.
func alone(s *shape, object string, columns ...string) *table {
	t := &table{path: "Device." + object + ".", raw: s.model.Root() + object + ".", single: true}
	for _, c := range columns {
		t.columns = append(t.columns, column{name: c, raw: c, good: texts[:4]})
	}
	return t
}

// run is what happens to a plant.
type run struct {
	*plant

	rng     *rand.Rand
	topics  []topic
	ctls    []usp.EndpointID
	next    int
	changes int // made
}

// liveOn makes changes, the same ones for a seed.
func liveOn(t *testing.T, s *shape, rules *model.Rules, o agent.Options) {
	t.Helper()
	seed, err := strconv.ParseUint(flag.Lookup("rapid.seed").Value.String(), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	p, stop := newPlant(t, s, rules, o)
	defer stop()
	r := &run{
		plant: p, rng: rand.New(rand.NewPCG(seed, 7)), topics: topics(),
		ctls: []usp.EndpointID{"self::one", "self::two", "self::three"},
	}
	steps := []struct {
		weight int
		do     func() string
	}{
		{30, r.change},
		{6, r.addRow},
		{6, r.removeRow},
		{10, r.set},
		{4, r.add},
		{4, r.remove},
		{8, r.get},
		{12, r.inform},
		{8, r.subscribe},
		{3, r.unsubscribe},
		{2, r.toggle},
		{3, r.refuse},
		{1, r.reboot},
		{1, r.reset},
		{1, r.powerCut},
		{2, r.restartGateway},
		{2, r.killGateway},
		{3, r.leave},
		{6, r.idle},
	}
	var menu []func() string
	for _, s := range steps {
		for range s.weight {
			menu = append(menu, s.do)
		}
	}
	for range 6 {
		r.subscribe()
	}
	r.check("at first")
	for n := 1; r.changes < changes; n++ {
		what := menu[r.rng.IntN(len(menu))]()
		if n%20 == 0 {
			what += ", and the CPE came"
			r.check(what)
			r.equal()
		}
		r.check(what)
	}
	r.equal()
	r.heard()
	t.Logf("%d changes, of which %d were shown", r.changes, r.oracle.count)
}

// check waits until what goes on is over, and wants what is due and nothing else.
func (r *run) check(what string) {
	r.t.Helper()
	r.settle()
	r.oracle.forget(func(s *sub) bool { return !s.until.IsZero() && !time.Now().Before(s.until) })
	if wrong := r.oracle.owed(); len(wrong) > 0 {
		r.fatal(what, wrong)
	}
}

func (r *run) fatal(what string, wrong []string) {
	r.t.Helper()
	r.t.Fatalf("after %d changes: %s:\n%s\nbefore that:\n%s", r.changes, what, strings.Join(wrong, "\n"),
		strings.Join(r.lines[max(0, len(r.lines)-60):], "\n"))
}

// equal wants that what Subscriptions are about is known as the CPE has it, once the CPE
// has had a session.
func (r *run) equal() {
	r.t.Helper()
	for range 2 {
		r.wait(40 * time.Second)
		r.cpe.Raise(cwmp.Event{Code: cwmp.EventPeriodic})
		r.check("the CPE came")
	}
	o := r.oracle
	var all [][][]int
	for _, t := range r.shape.tables {
		all = append(all, r.rows(t))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	numbers, last := maps.Clone(o.numbers), maps.Clone(o.last) // looking gives no numbers
	defer func() { o.numbers, o.last = numbers, last }()
	have := shown{make(map[string]bool), make(tree)}
	for k, t := range r.shape.tables {
		for _, numbers := range all[k] {
			for i := range t.columns {
				raw := t.row(numbers, true) + t.columns[i].raw
				v, _ := r.cpe.Value(raw)
				have.take(o, []cwmp.ParameterValue{{Name: raw, Value: v}})
			}
		}
	}
	var wrong []string
	for _, s := range o.subs {
		if s.off {
			continue
		}
		switch s.kind {
		case "changed":
			for p, v := range have.values {
				was, ok := o.seen.values[p]
				if ok && was != v && s.about(p, have, have) && !strings.HasSuffix(p, "UpTime") {
					wrong = append(wrong, fmt.Sprintf("%s (%s): %s is known as %q, and is %q", s.id, s.ref, p, was, v))
				}
			}
		case "created", "deleted":
			for row := range have.rows {
				if !o.seen.rows[row] && s.kind == "created" {
					wrong = append(wrong, fmt.Sprintf("%s (%s): %s is there, and not known", s.id, s.ref, row))
				}
			}
			for row := range o.seen.rows {
				if !have.rows[row] && s.about(row, o.seen, o.seen) && s.kind == "deleted" {
					wrong = append(wrong, fmt.Sprintf("%s (%s): %s is known, and gone", s.id, s.ref, row))
				}
			}
		}
	}
	if len(wrong) > 0 {
		r.fatal("the CPE came", wrong)
	}
}

// heard wants that everything that is to be repeated is heard once its Controller is back.
func (r *run) heard() {
	r.t.Helper()
	r.mu.Lock()
	clear(r.away)
	r.mu.Unlock()
	r.wait(3 * time.Hour)
	if wrong := r.oracle.undelivered(); len(wrong) > 0 {
		r.fatal("all Controllers are back", wrong)
	}
}
