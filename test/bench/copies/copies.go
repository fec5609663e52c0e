// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package copies makes data directories of gateways that know many CPE: one simulated
// CPE is read by a gateway as a whole, and what that has kept is copied. Measurements
// and tests begin with it.
package copies

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	cwmpcpe "github.com/uspgate/uspgate/cwmp/cpe"
	"github.com/uspgate/uspgate/internal/app"
	"github.com/uspgate/uspgate/internal/bench"
	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/internal/state"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/device"
)

// patience bounds the time for which the first CPE is read.
const patience = time.Minute

// cpeModel is the model of all that Make makes.
const cpeModel = "tr098-dsl"

// original is a CPE that a gateway has read, as it has kept it.
type original struct {
	known  device.Known
	state  *agent.State
	tree   *agent.Tree
	inform *cwmp.Inform
}

// Make has a gateway read one CPE, and makes n of it in the data_dir dir, which no
// gateway has open. It returns their Inform, with the fields of bench.Sessions: the
// serial numbers are bench.Field of 0 to n-1.
func Make(ctx context.Context, dir string, n int) (*cwmp.Inform, error) {
	model, err := cpe.LoadBuiltin(cpeModel)
	if err != nil {
		return nil, err
	}
	o, err := read(ctx, model)
	if err != nil {
		return nil, err
	}
	return o.inform, write(ctx, dir, []*original{o}, n)
}

// OfModels is Make for CPE of several models, n in all.
func OfModels(ctx context.Context, dir string, models []*cpe.Model, n int) error {
	all := make([]*original, len(models))
	for i, m := range models {
		var err error
		if all[i], err = read(ctx, m); err != nil {
			return err
		}
	}
	return write(ctx, dir, all, n)
}

// read has a gateway read a CPE of a model.
func read(ctx context.Context, m *cpe.Model) (*original, error) {
	dir, err := os.MkdirTemp("", "uspgate-cpe-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is a temporary directory
	o, err := readOne(ctx, dir, m)
	if err != nil {
		return nil, fmt.Errorf("reading the first CPE of %s: %w", m.Name(), err)
	}
	return o, nil
}

// open opens what a gateway keeps in the data_dir dir.
func open(ctx context.Context, dir string) (st *state.State, done func(), err error) {
	e, err := engine.Open(ctx, engine.Options{Dir: filepath.Join(dir, "engine"), Interval: time.Minute})
	if err != nil {
		return nil, nil, err
	}
	if st, err = state.Open(ctx, e.Store(), state.Options{}); err != nil {
		e.Close()
		return nil, nil, err
	}
	return st, e.Close, nil
}

// write makes n CPE in dir, of all by turns.
func write(ctx context.Context, dir string, all []*original, n int) error {
	st, done, err := open(ctx, dir)
	if err != nil {
		return err
	}
	defer done()
	const workers = 64
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				errs[w] = all[i%len(all)].copy(st, bench.Field(uint64(i)))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// readOne has a gateway on dir read a CPE, and returns what it has kept.
func readOne(ctx context.Context, dir string, m *cpe.Model) (*original, error) {
	cfg, err := config.Parse("bench.yaml", []byte("{}"), []string{
		"USPGATE_MTP__0__LISTEN=127.0.0.1:0", "USPGATE_MTP__1__LISTEN=127.0.0.1:0", "USPGATE_CWMP__LISTEN=127.0.0.1:0",
		"USPGATE_METRICS__LISTEN=127.0.0.1:0", "USPGATE_ADMIN__LISTEN=127.0.0.1:0", "USPGATE_DATA_DIR=" + dir,
	})
	if err != nil {
		return nil, err
	}
	gw, err := app.New(ctx, app.Options{Config: cfg, Version: "bench"})
	if err != nil {
		return nil, err
	}
	if err := gw.Listen(ctx); err != nil {
		return nil, errors.Join(err, gw.Close())
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- gw.Run(running) }()
	in, err := visit(ctx, "http://"+gw.Addresses()["cwmp"], m)
	stop()
	if err = errors.Join(err, <-ended); err != nil {
		return nil, err
	}
	o := &original{inform: in}
	return o, errors.Join(o.load(ctx, dir), vary(in))
}

// vary has the Inform say something else as the Connection Request URL each time.
func vary(in *cwmp.Inform) error {
	for i := range in.Params {
		if p := &in.Params[i]; strings.HasSuffix(p.Name, ".ConnectionRequestURL") {
			p.Value = "http://127.0.0.1:7547/" + bench.ChangeField
			return nil
		}
	}
	return errors.New("the CPE has no Connection Request URL")
}

// visit has a simulated CPE be read as a whole, and returns what it says when it comes
// the next time.
func visit(ctx context.Context, acs string, m *cpe.Model) (*cwmp.Inform, error) {
	ended := make(chan cwmpcpe.Session, 8)
	box, err := cpe.New(cpe.Options{
		ACS: acs, Model: m, Serial: bench.SerialField, PeriodicInterval: -1, ConnReqListen: cpe.NoConnReq,
		OnSession: func(s cwmpcpe.Session) {
			select {
			case ended <- s:
			default:
			}
		},
	})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	over := make(chan error, 1)
	go func() { over <- box.Run(ctx) }()
	var last *cwmp.Inform
	for i := 0; i < 2 && err == nil; i++ {
		select {
		case s := <-ended:
			err = s.Err
			last = <-box.Informs()
			box.Raise(cwmp.Event{Code: cwmp.EventPeriodic})
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	stop()
	<-over // it says only that it was told to end
	return last, err
}

// load reads what a gateway has kept in dir.
func (o *original) load(ctx context.Context, dir string) error {
	st, done, err := open(ctx, dir)
	if err != nil {
		return err
	}
	defer done()
	id := agent.EndpointIDFor(o.inform.DeviceID)
	known, ok, err := st.Devices().Load(o.inform.DeviceID)
	if err != nil || !ok {
		return errors.Join(err, errors.New("the CPE is not known"))
	}
	o.known = known
	if o.state, err = st.Agents().Load(id); err != nil {
		return err
	}
	o.tree, err = st.Agents().LoadTree(id)
	if err == nil && (o.tree == nil || !o.tree.Current) {
		err = errors.New("the CPE has not been read as a whole")
	}
	return err
}

// copy keeps one more CPE like the first.
func (o *original) copy(st *state.State, serial string) error {
	known, tree, own := o.known, *o.tree, *o.state
	known.Identity.SerialNumber, tree.Identity.SerialNumber = serial, serial
	own.Values = make(map[string]string, len(o.state.Values))
	for name, v := range o.state.Values {
		own.Values[name] = strings.ReplaceAll(v, bench.SerialField, serial)
	}
	if err := st.Devices().Save(known); err != nil {
		return err
	}
	id := agent.EndpointIDFor(known.Identity)
	if err := st.Agents().Save(id, &own); err != nil {
		return err
	}
	return st.Agents().SaveTree(id, &tree)
}
