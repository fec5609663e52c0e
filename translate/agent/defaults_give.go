// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/usp"
)

// hiddenDefaults marks a row that is made of a Seed, with the name of its Defaults.
const hiddenDefaults = "+Defaults"

// giveDefaults gives the Agent the Seeds of its cohorts: all of them to one that is new
// when its CPE has come, to others those of Defaults with Missing that they were not given
// before. What an Agent could not have is not tried again. The lock is held.
func (a *Agent) giveDefaults(t *tx) {
	newborn := a.member.newborn
	for _, d := range a.member.of.fits {
		if !newborn && !d.Missing {
			continue
		}
		before := a.member.given[d.Name]
		if !newborn && slices.Equal(before, d.marks) {
			continue
		}
		var now []string
		for i, mark := range d.marks {
			switch {
			case slices.Contains(before, mark):
			case slices.Contains(before, refused+mark):
				mark = refused + mark
			case a.controllerRow(d.Seeds[i].Owner) == "":
				continue // other Defaults have taken the Controller away, for now
			case !a.give(t, d, &d.Seeds[i]):
				mark = refused + mark
			}
			now = append(now, mark)
		}
		if !slices.Equal(before, now) {
			if a.member.given == nil {
				a.member.given = make(map[string][]string)
			}
			a.member.given[d.Name] = now
			a.saving.dirty = true
		}
	}
}

// refused is in front of the mark of a Seed that an Agent could not have.
const refused = "!"

// give makes the row of a Seed. One that was made of a Seed before is replaced, one that a
// Controller has made stays. It reports whether the Agent can have it.
func (a *Agent) give(t *tx, d *defaults, s *Seed) bool {
	a.member.giving = true
	defer func() { a.member.giving = false }()
	mark := t.mark()
	err := t.plant(s, d.Name)
	if err == nil {
		a.host.metrics.defaults.WithLabelValues(resultOK).Inc()
		return true
	}
	t.back(mark)
	a.host.metrics.defaults.WithLabelValues(resultFailed).Inc()
	a.log.Warn("a Virtual Agent cannot have all of its defaults",
		zap.String("defaults", d.Name), zap.String("path", err.Path), zap.String("reason", err.Text))
	return false
}

// seedError is why a Seed cannot be given: what is wrong with a parameter of it, or of the
// one of its Rows with that index; below 0 it is its own.
type seedError struct {
	*usp.Error

	row   int
	param string
}

// plant makes the row of a Seed with what is below it. The tx is to be taken back where
// it fails.
func (t *tx) plant(s *Seed, name string) *seedError {
	owner := t.l.agent.controllerRow(s.Owner)
	switch s.Table {
	case controllerTable: // the row is there
		return t.settings(owner, s.Values, -1)
	case TableBootParameter:
		return t.sow(owner+TableBootParameter, s, name)
	default:
		return t.sow(s.Table, s, name)
	}
}

// sow makes the row of a Seed in its table.
func (t *tx) sow(table string, s *Seed, name string) *seedError {
	if old := t.sown(table, s); old != "" {
		if t.l.values[old+hiddenDefaults] == "" {
			return nil // it is the Controller's
		}
		t.remove(old)
	}
	row := t.add(table, s.Owner)
	t.set(row+hiddenDefaults, name)
	if err := t.settings(row, s.Values, -1); err != nil {
		return err
	}
	for i := range s.Rows {
		below := t.add(row+s.Rows[i].Table, s.Owner)
		if err := t.settings(below, s.Rows[i].Values, i); err != nil {
			return err
		}
		if err := t.l.checkRow(below); err != nil {
			return &seedError{err, i, strings.TrimPrefix(err.Path, below)}
		}
	}
	// What the settings changed belongs to the creation of the row.
	t.changes = slices.DeleteFunc(t.changes, func(c change) bool {
		return c.kind == changedValue && strings.HasPrefix(c.path, row)
	})
	if err := t.l.checkRow(row); err != nil {
		return &seedError{err, -1, strings.TrimPrefix(err.Path, row)}
	}
	return nil
}

// sown returns the row that has the key of a Seed already, "" if there is none.
func (t *tx) sown(table string, s *Seed) string {
	ref, found := strings.TrimSuffix(t.l.agent.controllerRow(s.Owner), "."), ""
	t.l.each(table, func(row string) {
		ours := table != subscriptionTable || t.l.get(row+"Recipient") == ref
		if s.Key != "" && ours && t.l.get(row+s.Key) == s.key() {
			found = row
		}
	})
	return found
}

// settings sets parameters of a row, as in an Add of its owner.
func (t *tx) settings(row string, list []SeedValue, index int) *seedError {
	for _, v := range list {
		if err := t.l.checkSet(row, v.Param, v.Value, true); err != nil {
			return &seedError{err, index, v.Param}
		}
		t.set(row+v.Param, v.Value)
	}
	return nil
}

// judges reports whether it can be said now what the supported data model has: not before
// the CPE has been read, nor of a Seed, which is for CPE that have it and others.
func (a *Agent) judges(generic string) bool {
	return isLocal(generic) || a.disc.known && !a.member.giving
}
