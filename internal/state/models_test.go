// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/uspgate/uspgate/internal/state"
	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/model"
)

// counting is a Store that counts the reads and writes of the models.
type counting struct {
	store.Store
	reads, writes atomic.Int64
	full          atomic.Bool // refuses to write models
}

func (c *counting) Bucket(ctx context.Context, name string, o store.BucketOptions) (store.Bucket, error) {
	b, err := c.Store.Bucket(ctx, name, o)
	if name != "MODEL" || err != nil {
		return b, err
	}
	return countingBucket{b, c}, nil
}

type countingBucket struct {
	store.Bucket
	c *counting
}

func (b countingBucket) Get(ctx context.Context, key string) (store.Entry, error) {
	b.c.reads.Add(1)
	return b.Bucket.Get(ctx, key)
}

func (b countingBucket) Create(ctx context.Context, key string, value []byte, ttl time.Duration) (uint64, error) {
	if b.c.full.Load() {
		return 0, store.ErrFull
	}
	b.c.writes.Add(1)
	return b.Bucket.Create(ctx, key, value, ttl)
}

func (b countingBucket) Update(ctx context.Context, key string, value []byte, revision uint64, ttl time.Duration,
) (uint64, error) {
	if b.c.full.Load() {
		return 0, store.ErrFull
	}
	b.c.writes.Add(1)
	return b.Bucket.Update(ctx, key, value, revision, ttl)
}

// key is the model of the box with a firmware.
func key(t tb, firmware string) agent.ModelKey {
	t.Helper()
	k, ok := agent.ModelKeyOf(box, firmware)
	if !ok {
		t.Fatalf("got no model of firmware %q, want one", firmware)
	}
	return k
}

// CPE with nothing new do not write their model, and do not read it each time.
func TestModelIsShared(t *testing.T) {
	t.Parallel()
	s := &counting{Store: &store.Memory{}}
	st := openState(t, s, state.Options{})
	for i := range 20 {
		tree := treeOf(fmt.Sprint(i), "1.0", "A", "B")
		save(t, st, tree)
		loads(t, st, tree)
	}
	if r, w := s.reads.Load(), s.writes.Load(); r != 1 || w != 1 {
		t.Errorf("got %d reads and %d writes of the model of 20 CPE, want one of each", r, w)
	}
	m, err := st.Agents().LoadModel(key(t, "1.0"))
	again, _ := st.Agents().LoadModel(key(t, "1.0"))
	if err != nil || m == nil || m != again {
		t.Errorf("got %p and %p, %v, want one and the same", m, again, err)
	}
	for _, n := range m.Sample.Nodes {
		if n.Value != "" {
			t.Errorf("got value %q of %s in the Sample, want none", n.Value, n.Name)
		}
	}
}

// Of two nodes neither loses what the other one writes at the same time, and each reads
// the trees of the other.
func TestTwoNodesTeachOneModel(t *testing.T) {
	t.Parallel()
	s := &store.Memory{}
	nodes := []*state.State{openState(t, s, state.Options{}), openState(t, s, state.Options{})}
	const each = 20
	trees := make([]*agent.Tree, len(nodes)*each)
	var wg sync.WaitGroup
	errs := make([]error, len(trees))
	for i := range trees {
		trees[i] = treeOf(fmt.Sprint(i), "1.0", "Common", fmt.Sprintf("Own%d", i))
		wg.Go(func() {
			k := nodes[i%len(nodes)].Agents()
			errs[i] = errors.Join(
				k.SaveTree(agent.EndpointIDFor(trees[i].Identity), trees[i]),
				k.Learn(key(t, "1.0"), agent.Habits{Batch: 32 - i%16, Refused: []string{fmt.Sprintf("Device.X.Own%d", i)}}),
			)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	nodes = append(nodes, openState(t, s, state.Options{}))
	for _, st := range nodes {
		loads(t, st, trees...)
	}
	m, err := nodes[2].Agents().LoadModel(key(t, "1.0"))
	if err != nil || m.Outline.Len() != 2+len(trees) || m.Habits.Batch != 17 || len(m.Habits.Refused) != len(trees) {
		t.Errorf("got %d entries and %+v, %v, want those of all", m.Outline.Len(), m.Habits, err)
	}
}

// Where the model is gone, damaged or of a newer version, the trees of its CPE are as
// good as none; that is logged once. They can be saved again; what is of a newer
// version stays as it is.
func TestModelThatIsNotThere(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(raw []byte) []byte{
		"gone":    func([]byte) []byte { return nil },
		"cut":     func(raw []byte) []byte { return raw[:len(raw)-1] },
		"flipped": func(raw []byte) []byte { raw[len(raw)/2] ^= 1; return raw },
		"empty":   func([]byte) []byte { return []byte{} },
		"newer":   func(raw []byte) []byte { raw[0] = 99; return raw },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &store.Memory{}
			trees := make([]*agent.Tree, 5)
			for i := range trees {
				trees[i] = treeOf(fmt.Sprint(i), "1.0", "A", "B")
			}
			save(t, openState(t, s, state.Options{}), trees...)
			e := entries(t, s, "MODEL")[0]
			raw := spoil(bytes.Clone(e.Value))
			if err := bucket(t, s, "MODEL").Delete(t.Context(), e.Key, 0); err != nil {
				t.Fatal(err)
			}
			if raw != nil {
				if _, err := bucket(t, s, "MODEL").Put(t.Context(), e.Key, raw); err != nil {
					t.Fatal(err)
				}
			}
			core, logs := observer.New(zapcore.InfoLevel)
			st := openState(t, s, state.Options{Log: zap.New(core)})
			for _, tree := range trees {
				if got, err := st.Agents().LoadTree(agent.EndpointIDFor(tree.Identity)); got != nil || err != nil {
					t.Errorf("got %+v, %v, want none", got, err)
				}
			}
			if m, err := st.Agents().LoadModel(key(t, "1.0")); m != nil || err != nil {
				t.Errorf("got %+v, %v of the model, want none", m, err)
			}
			for _, e := range entries(t, s, "MODEL") {
				if !bytes.Equal(e.Value, raw) {
					t.Errorf("got record %x after reads only, want %x", e.Value, raw)
				}
			}
			if n := logs.Len(); n != 1 {
				t.Errorf("got %d lines in the log, want 1: %+v", n, logs.All())
			}
			save(t, st, trees...)
			loads(t, st, trees...)
			now := entries(t, s, "MODEL")
			if len(now) != 1 || bytes.Equal(now[0].Value, raw) != (name == "newer") {
				t.Errorf("got the model written over %t, want %t", !bytes.Equal(now[0].Value, raw), name != "newer")
			}
		})
	}
}

// What does not fit into a model is with each tree, and counted.
func TestModelsAreBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		o     state.ModelOptions
		full  bool
		bound string
	}{
		"names": {state.ModelOptions{MaxNames: 20}, false, "names"},
		"bytes": {state.ModelOptions{MaxBytes: 400}, false, "bytes"},
		"store": {state.ModelOptions{}, true, "bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, reg := &counting{Store: &store.Memory{}}, prometheus.NewPedanticRegistry()
			st := openState(t, s, state.Options{Models: c.o, Metrics: reg})
			small, large := treeOf("1", "1.0", names(10)...), treeOf("2", "1.0", names(200)...)
			save(t, st, small)
			s.full.Store(c.full)
			other := treeOf("3", "2.0", names(200)...)
			save(t, st, large, other, small)
			loads(t, st, small, large, other)
			const metric = "uspgate_models_full_total"
			n, err := testutil.GatherAndCount(reg, metric)
			if err != nil || n != 2 {
				t.Fatalf("got %d series, %v, want 2", n, err)
			}
			families, err := reg.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range families[0].GetMetric() {
				is := m.GetLabel()[0].GetValue()
				if v := m.GetCounter().GetValue(); (v > 0) != (is == c.bound) {
					t.Errorf("got %v of bound %s, want some of %s alone", v, is, c.bound)
				}
			}
			if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
				t.Errorf("promlint: %v, %v", problems, err)
			}
		})
	}
}

// No more models are in memory than ModelOptions.CacheBytes; the others are read again.
func TestModelsInMemory(t *testing.T) {
	t.Parallel()
	s := &counting{Store: &store.Memory{}}
	st := openState(t, s, state.Options{Models: state.ModelOptions{CacheBytes: 50 << 10}})
	const models = 10
	trees := make([]*agent.Tree, models)
	for i := range trees {
		trees[i] = treeOf(fmt.Sprint(i), fmt.Sprint(i), names(50)...)
	}
	save(t, st, trees...)
	s.reads.Store(0)
	for range 3 {
		loads(t, st, trees[models-1])
	}
	if n := s.reads.Load(); n != 0 {
		t.Errorf("got %d reads of the model used last, want none", n)
	}
	loads(t, st, trees...)
	if n := s.reads.Load(); n < models/2 {
		t.Errorf("got %d reads of %d models that do not fit, want most of them", n, models)
	}
}

// A model that CPE have stays, whether their trees are loaded or saved; one that none
// has any more goes.
func TestModelsGoWithTheirCPE(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(tb, *state.State, ...*agent.Tree){"loaded": loads, "saved": save} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const day = 24 * time.Hour
				s := &store.Memory{}
				st := openState(t, s, state.Options{Models: state.ModelOptions{MaxAge: 100 * day}})
				used, unused := treeOf("1", "1.0", "A"), treeOf("2", "2.0", "A")
				save(t, st, used, unused)
				for range 12 {
					<-time.After(20 * day)
					use(t, st, used)
				}
				loads(t, st, used)
				if got, err := st.Agents().LoadTree(agent.EndpointIDFor(unused.Identity)); got != nil || err != nil {
					t.Errorf("got %+v, %v of a model that is gone, want none", got, err)
				}
				if n := len(entries(t, s, "MODEL")); n != 1 {
					t.Errorf("got %d models, want 1", n)
				}
			})
		})
	}
}

// supported is a supported data model of some objects.
func supported(t *testing.T, objects ...string) *model.Supported {
	t.Helper()
	var raw []byte
	for _, o := range objects { // nothing of the path before, the path, its bits, no keys and no parameters
		raw = append(raw, 0, byte(len(o)))
		raw = append(append(raw, o...), 4, 0, 0)
	}
	s, err := model.ParseSupported(raw)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What the CPE of a model have shown to support is kept together, whatever node they are on,
// and what another node has learned can be had at once. Habits do not end it.
func TestSupportsAreKept(t *testing.T) {
	t.Parallel()
	s := &store.Memory{}
	nodes := []*state.State{openState(t, s, state.Options{}), openState(t, s, state.Options{})}
	if _, err := nodes[1].Agents().LoadModel(key(t, "1.0")); err != nil { // by now it has looked
		t.Fatal(err)
	}
	for i, objects := range [][]string{{"Device.A."}, {"Device.B."}, {"Device.A."}} {
		tree := treeOf(fmt.Sprint(i), "1.0", "A", "B")
		tree.Supports = &agent.Supports{Rules: 7, Objects: supported(t, objects...), Commands: []string{objects[0] + "Go()"}}
		save(t, nodes[i%2], tree)
	}
	if err := nodes[0].Agents().Learn(key(t, "1.0"), agent.Habits{Batch: 3}); err != nil {
		t.Fatal(err)
	}
	r, ok := nodes[1].Agents().(agent.Reloader)
	if !ok {
		t.Fatal("got agents that cannot be asked for what is stored now")
	}
	m, err := r.ReloadModel(key(t, "1.0"))
	if err != nil || m.Habits.Batch != 3 || len(m.Supports) != 1 {
		t.Fatalf("got %+v, %v, want what both nodes have learned", m, err)
	}
	got := m.Supports[0]
	if got.Rules != 7 || got.Grown != 2 || len(got.Objects.Objects) != 2 || len(got.Commands) != 2 ||
		got.Objects.Object("Device.A.") == nil || !got.Objects.Object("Device.B.").Seen {
		t.Errorf("got %+v, want what both have shown", got)
	}
	if _, err := nodes[1].Agents().LoadModel(key(t, "no such version")); err != nil {
		t.Error(err)
	}
}

// A model does not support more than ModelOptions.MaxNames makes room for.
func TestSupportsAreBounded(t *testing.T) {
	t.Parallel()
	st := openState(t, &store.Memory{}, state.Options{Models: state.ModelOptions{MaxNames: 4}})
	var objects []string
	for i := range 9 {
		objects = append(objects, fmt.Sprintf("Device.O%d.", i))
	}
	tree := treeOf("1", "1.0", "A")
	tree.Supports = &agent.Supports{Rules: 7, Objects: supported(t, objects...)}
	save(t, st, tree)
	if m, err := st.Agents().LoadModel(key(t, "1.0")); err != nil || len(m.Supports) != 0 {
		t.Errorf("got %+v, %v, want nothing of what is too much", m, err)
	}
	tree.Supports = &agent.Supports{Rules: 7, Objects: supported(t, objects[:8]...)}
	save(t, st, tree)
	if m, err := st.Agents().LoadModel(key(t, "1.0")); err != nil || len(m.Supports) != 1 {
		t.Errorf("got %+v, %v, want what there is room for", m, err)
	}
}
