// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
)

// discovery is what is known of the CPE's shape.
type discovery struct {
	known   bool          // discovered at least once
	running bool          // a discovery is under way
	quiet   bool          // what it finds notifies nobody
	done    chan struct{} // closed when the one under way ends
	due     bool          // the CPE is to be read as a whole
}

func (d *discovery) init() { d.quiet = true }

// errUpdated: the CPE has another firmware than when it was first asked.
var errUpdated = errors.New("agent: the CPE has another firmware by now")

// errNoRoot: the CPE shows neither of the two data models.
var errNoRoot = errors.New("agent: the CPE has neither Device nor InternetGatewayDevice as its root")

// discover starts a discovery in the background, unless one is under way. The
// lock is held. The CPE is woken if it sleeps.
func (a *Agent) discover() {
	if a.disc.running {
		return
	}
	done := make(chan struct{})
	a.disc.running, a.disc.done = true, done
	if !a.disc.due {
		a.disc.due = true
		a.changed()
	}
	dev := a.dev
	release := dev.Hold()
	ok := a.host.spawn(func(ctx context.Context) {
		defer release()
		began := time.Now()
		err := a.discoverAll(ctx, a.patient(dev))
		a.lock()
		defer a.unlock()
		a.discovered(err, time.Since(began))
		close(done)
	})
	if !ok {
		release()
		a.discovered(errors.New("agent: closed"), 0)
		close(done)
	}
}

// patient returns how a background task calls the CPE: it may wait for each RPC
// as long as a request may, so no goroutine waits for a CPE that sleeps.
func (a *Agent) patient(dev Device) caller {
	return func(ctx context.Context, rpc cwmp.Request) (cwmp.Response, error) {
		ctx, cancel := context.WithTimeout(ctx, a.host.opts.Deadline)
		defer cancel()
		return dev.Call(ctx, rpc)
	}
}

// discovered notes the end of a discovery. The lock is held.
func (a *Agent) discovered(err error, took time.Duration) {
	a.disc.running = false
	if err != nil {
		a.log.Info("discovery of a CPE failed; it is repeated in its next session", zap.Error(err))
		return
	}
	a.disc.known, a.disc.quiet, a.disc.due = true, false, false
	a.log.Info("CPE discovered", zap.Duration("took", took), zap.Int("objects", len(a.view.Supported().Objects)))
	a.subs.remember(a)
	a.attrs.watch.rows++
	a.reconcileAttributes()
	a.changed()
	if !a.inSession {
		a.keepTreeSoon()
	}
}

// discoverAll reads the CPE's names and then all values, in the ways that its model
// is known to have.
func (a *Agent) discoverAll(ctx context.Context, call caller) error {
	key, ok := a.modelKey()
	m := a.model()
	hints := a.begin(m)
	root, err := a.findRoot(ctx, call, m)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		departed := a.departed.Load()
		infos, by, err := a.readNames(ctx, call, root, hints.Names)
		if err != nil {
			return err
		}
		if !a.tookNames(root, infos, departed, try == maxRereads) {
			continue
		}
		if err := a.readAll(ctx, call, root, infos); err != nil {
			return err
		}
		if now, _ := a.modelKey(); ok && now != key {
			return errUpdated
		}
		a.teach(m, by)
		return nil
	}
}

// model returns what is known of the model of the CPE, nil if nothing is. It blocks as
// the Keeper does.
func (a *Agent) model() *Model {
	key, ok := a.modelKey()
	if !ok || a.host.opts.Keeper == nil {
		return nil
	}
	m, err := a.host.opts.Keeper.LoadModel(key)
	if k, ok := a.host.opts.Keeper.(Reloader); ok && err == nil && m != nil && a.isBehind(m) {
		m, err = k.ReloadModel(key)
	}
	if err != nil {
		a.log.Info("what is known of the model of a CPE is not at hand", zap.Error(err))
	}
	return m
}

// isBehind reports that more was known of the model before, by another node perhaps.
func (a *Agent) isBehind(m *Model) bool {
	a.lock()
	defer a.unlock()
	s := m.supportsWith(a.host.opts.Rules.Sum())
	return a.sisters.grown > 0 && (s == nil || s.Grown < a.sisters.grown)
}

// modelKey returns the model of the CPE, as far as it can be told.
func (a *Agent) modelKey() (ModelKey, bool) {
	a.lock()
	defer a.unlock()
	return ModelKeyOf(a.identity, a.firmware())
}

// oneInProbes is of how many CPE one is asked as if nothing was known of its model: so
// what a single defective CPE has taught does not stay for ever.
const oneInProbes = 16

// begin returns what a discovery has to go by.
func (a *Agent) begin(m *Model) (hints Habits) {
	a.lock()
	defer a.unlock()
	p := a.written()
	hints = Habits{Names: p.Names, Batch: p.Batch}
	if m != nil && crc32.ChecksumIEEE([]byte(a.id))%oneInProbes != 0 {
		hints = hints.Merge(m.Habits)
	}
	a.fresh.begin(hints)
	return hints
}

// teach keeps for the other CPE of the model what a discovery had to find out.
func (a *Agent) teach(m *Model, by NamesBy) {
	known := Habits{Names: NamesByRoot}
	if m != nil {
		known = known.Merge(m.Habits)
	}
	key, ok := a.modelKey()
	a.lock()
	found := Habits{
		Names: by, Batch: a.fresh.limit, NextLevel: a.fresh.nextLevel, NoPartial: a.fresh.noObjects,
	}
	a.unlock()
	if ok && a.host.opts.Keeper != nil && !known.Merge(found).Equal(known) {
		a.learn(key, found)
	}
}

// learn adds to what is known of a model. It blocks as the Keeper does.
func (a *Agent) learn(key ModelKey, h Habits) {
	if err := a.host.opts.Keeper.Learn(key, h); err != nil {
		a.log.Info("what was learned of the model of a CPE is not kept", zap.Error(err))
	}
}

// tookNames is took for the names of the CPE: a row that was made since they were
// asked for would seem to be gone.
func (a *Agent) tookNames(root model.Root, infos []cwmp.ParameterInfo, departed uint64, always bool) bool {
	a.lock()
	defer a.unlock()
	if a.settled > departed && !always {
		return false
	}
	a.began()
	a.fresh.forget()
	a.fresh.accept()
	if a.view == nil || a.view.Root() != root {
		a.view = model.NewView(a.host.opts.Rules, root, a.inst)
	}
	a.publish(a.view.SetNames("", infos))
	return true
}

// readAll reads all values, by the objects directly below the root.
func (a *Agent) readAll(ctx context.Context, call caller, root model.Root, infos []cwmp.ParameterInfo) error {
	var names []string
	for _, info := range infos {
		rest, ok := strings.CutPrefix(info.Name, root.Prefix())
		if !ok || rest == "" {
			continue
		}
		if dot := strings.IndexByte(rest, '.'); dot >= 0 {
			rest = rest[:dot+1]
		}
		names = append(names, root.Prefix()+rest)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for name, err := range a.read(ctx, call, names) {
		if !isFault(err) {
			return err
		}
		a.log.Info("a part of the CPE is not readable", zap.String("name", name), zap.Error(err))
	}
	a.lock()
	defer a.unlock()
	a.fresh.note(root.Prefix(), time.Now())
	return nil
}

// findRoot returns the CPE's root: of the view, or asked for.
func (a *Agent) findRoot(ctx context.Context, call caller, m *Model) (model.Root, error) {
	a.lock()
	v := a.view
	a.unlock()
	if v != nil {
		return v.Root(), nil
	}
	asks := []string{"", model.TR098.Prefix(), model.TR181.Prefix()} // [quirk 48]
	if m != nil && m.Sample != nil {
		asks = slices.Insert(asks, 0, m.Sample.Root.Prefix())
	}
	asks = append(asks, asks...)
	var last error
	for i, ask := range asks {
		if i == len(asks)/2 && !a.otherWords(last) {
			break
		}
		resp, err := a.askNames(ctx, call, ask, true)
		if err != nil && !isFault(err) {
			return 0, err
		}
		last = err
		if got, ok := resp.(*cwmp.GetParameterNamesResponse); ok && err == nil {
			for _, info := range got.Params {
				if root, ok := model.RootOf(info.Name); ok {
					return root, nil
				}
			}
		}
	}
	return 0, errNoRoot
}

// readNames reads all names of the CPE, and returns how it gave them: first by the way
// given, if there is one. A CPE that refuses its root object is asked for "" [quirk
// 48]; one that does not give all of it at once is walked object by object.
func (a *Agent) readNames(ctx context.Context, call caller, root model.Root, first NamesBy,
) (infos []cwmp.ParameterInfo, by NamesBy, err error) {
	ways := []NamesBy{NamesByRoot, NamesByEmpty, NamesByWalk}
	if i := slices.Index(ways, first); i > 0 {
		ways = slices.Insert(slices.Delete(ways, i, i+1), 0, first)
	}
	ways = append(ways, ways...)
	last := errNoRoot
	for i, by := range ways {
		if i == len(ways)/2 && !a.otherWords(last) {
			break
		}
		infos, err := a.readNamesBy(ctx, call, root, by)
		switch {
		case err == nil && (len(infos) > 1 || by == NamesByWalk && len(infos) > 0):
			return infos, by, nil
		case err == nil:
		case !isFault(err):
			return nil, "", err
		default:
			last = errors.Join(errNoRoot, err)
		}
	}
	return nil, "", last
}

func (a *Agent) readNamesBy(ctx context.Context, call caller, root model.Root, by NamesBy,
) ([]cwmp.ParameterInfo, error) {
	ask := root.Prefix()
	switch by {
	case NamesByWalk:
		return a.walkNames(ctx, call, root)
	case NamesByEmpty:
		ask = ""
	case NamesByRoot:
	}
	resp, err := a.askNames(ctx, call, ask, false)
	if err != nil {
		return nil, err
	}
	got, ok := resp.(*cwmp.GetParameterNamesResponse)
	if !ok {
		return nil, nil
	}
	return got.Params, nil
}

// walkNames asks level by level, and takes only what is on the level: some CPE
// give the whole tree, or the object itself [quirk 50, quirk 52].
func (a *Agent) walkNames(ctx context.Context, call caller, root model.Root) ([]cwmp.ParameterInfo, error) {
	const maxObjects = 2000
	a.lock()
	levels := a.written().WalkLevels
	a.unlock()
	var infos []cwmp.ParameterInfo
	queue := []string{root.Prefix()}
	for n := 0; len(queue) > 0 && n < maxObjects; n++ {
		object := queue[0]
		queue = queue[1:]
		whole := levels > 0 && strings.Count(object, ".") > levels // with all that is below
		resp, err := a.askNames(ctx, call, object, !whole)
		if isFault(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		got, ok := resp.(*cwmp.GetParameterNamesResponse)
		if !ok {
			continue
		}
		if whole {
			infos = append(infos, got.Params...)
			continue
		}
		for _, info := range got.Params {
			rest, below := strings.CutPrefix(info.Name, object)
			if !below || rest == "" || strings.Contains(strings.TrimSuffix(rest, "."), ".") {
				continue
			}
			infos = append(infos, info)
			if cwmp.IsPartialPath(info.Name) {
				queue = append(queue, info.Name)
			}
		}
	}
	return infos, nil
}

// awaitDiscovery is awaitKnown for a request, which lets others go first meanwhile.
func (a *Agent) awaitDiscovery(ctx context.Context, r *request, wakes bool) bool {
	return a.awaitKnown(ctx, wakes, r.release)
}

// awaitKnown waits until the CPE's data model is known, starting a discovery if
// none is under way and wakes is true. It reports whether the data model is
// known. waits, unless nil, is called first if it is not, with the lock held.
func (a *Agent) awaitKnown(ctx context.Context, wakes bool, waits func()) bool {
	a.lock()
	if a.disc.known {
		a.unlock()
		return true
	}
	if wakes {
		a.discover()
	}
	running, done := a.disc.running, a.disc.done
	if waits != nil {
		waits()
	}
	a.unlock()
	if !running {
		return false
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	a.lock()
	defer a.unlock()
	return a.disc.known
}
