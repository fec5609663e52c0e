// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/uspgate/uspgate/internal/admin"
	"github.com/uspgate/uspgate/internal/inventory"
	"github.com/uspgate/uspgate/internal/state"
)

const (
	// importWriters is how many entries are written at a time.
	importWriters = 64
	// maxProblems is how many problems are listed.
	maxProblems = 1000
)

// intake is one import.
type intake struct {
	kept *state.Inventory
	dry  bool
	seed maphash.Seed
	seen map[uint64]struct{} // hashes of the identities there were
	// logins: there were some for the ACS.
	logins bool

	mu  sync.Mutex
	out admin.Imported
}

// Import implements admin.Devices. What it counts is durable when it returns.
func (k *desk) Import(
	ctx context.Context, file io.Reader, format inventory.Format, dry bool,
) (admin.Imported, error) {
	if !k.importing.TryLock() {
		return admin.Imported{}, admin.ErrBusy
	}
	defer k.importing.Unlock()
	in := &intake{
		kept: k.kept.Inventory(), dry: dry, seed: maphash.MakeSeed(), seen: make(map[uint64]struct{}),
		out: admin.Imported{DryRun: dry, Problems: []admin.Problem{}},
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(importWriters)
	readErr := inventory.Read(file, inventory.Options{Format: format}, func(d inventory.Device) error {
		if in.twice(&d) {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		group.Go(func() error { return in.write(ctx, &d) })
		return nil
	}, in.problem)
	writeErr := group.Wait()
	switch {
	case writeErr != nil:
		in.out.Failed = failure(writeErr)
	case readErr != nil:
		in.out.Failed = readErr.Error()
	}
	in.out.Notes = k.notes(in)
	return in.out, nil
}

// failure says why an entry could not be kept, and what to do.
func failure(err error) string {
	if errors.Is(err, state.ErrInventoryFull) {
		return "the inventory is full; take CPE off it with uspgate devices unlist"
	}
	return "an entry can not be kept: " + err.Error() + "; import the file again once that is well"
}

// twice reports, and tells, that the CPE was there before.
func (in *intake) twice(d *inventory.Device) bool {
	hash := maphash.Comparable(in.seed, d.ID.Key())
	if _, there := in.seen[hash]; there {
		in.problem(inventory.Problem{
			Line: d.Line, Device: d.ID.String(), Text: "the CPE was there already; keep one of its entries",
		})
		return true
	}
	in.seen[hash] = struct{}{}
	in.logins = in.logins || d.ACS != (inventory.Login{})
	return false
}

func (in *intake) write(ctx context.Context, d *inventory.Device) error {
	done, err := in.kept.Import(ctx, d, in.dry)
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case err != nil:
		return err
	case done == state.Added:
		in.out.Added++
	case done == state.Changed:
		in.out.Changed++
	default:
		in.out.Unchanged++
	}
	return nil
}

func (in *intake) problem(p inventory.Problem) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.out.Problems) == maxProblems {
		in.out.MoreProblems++
		return
	}
	in.out.Problems = append(in.out.Problems, admin.Problem(p))
}

// notes say what the configuration makes of what was imported.
func (k *desk) notes(in *intake) []string {
	var notes []string
	switch a := &k.cwmp.Auth; {
	case !in.logins:
	case a.Mode == "none":
		notes = append(notes, "the logins are kept, and CPE are not asked for them: cwmp.auth.mode is none")
	case !a.Imported:
		notes = append(notes, "the logins are kept, and not good yet: cwmp.auth.imported is false")
	}
	return notes
}
