// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// treeVersion is that of the trees this gateway writes: a byte, a checksum of the rest,
// how many entries of the Outline of its model a tree was packed against, if any the ID
// of the model and the sum of those entries, and compressed the rest, see treeBody.
const treeVersion = 2

// LoadTree implements agent.Keeper. A tree whose model is not known any more is as good
// as none.
func (k agents) LoadTree(id usp.EndpointID) (*agent.Tree, error) {
	ctx, cancel := k.s.deadline()
	defer cancel()
	e, err := k.s.trees.Get(ctx, string(id))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil //nolint:nilnil // nothing is left
	}
	if err != nil {
		return nil, wrap(id, err)
	}
	if len(e.Value) == 0 {
		return nil, wrap(id, errDamaged)
	}
	f := treeMigration(e.Value[0])
	if f == nil {
		_, err := unseal(e.Value, treeVersion)
		return nil, wrap(id, err)
	}
	t, err := f(ctx, k.s, e.Value)
	return t, wrap(id, err)
}

// treeMigration returns what reads the trees of a version, nil for one that never was.
// Each that was has its row for ever.
func treeMigration(v byte) func(ctx context.Context, s *State, b []byte) (*agent.Tree, error) {
	switch v {
	case 1:
		return decodeTreeV1
	case treeVersion:
		return decodeTree
	default:
		return nil
	}
}

// decodeTreeV1 reads the trees of before the models: compressed JSON.
func decodeTreeV1(_ context.Context, s *State, b []byte) (*agent.Tree, error) {
	body, err := s.codec.inflate(b[1:])
	if err != nil {
		return nil, err
	}
	t := &agent.Tree{}
	if err := json.Unmarshal(body, t); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return t, nil
}

// SaveTree implements agent.Keeper.
func (k agents) SaveTree(id usp.EndpointID, t *agent.Tree) error {
	ctx, cancel := k.s.deadline()
	defer cancel()
	value, err := k.s.encodeTree(ctx, t)
	if err != nil {
		return wrap(id, err)
	}
	_, err = k.s.trees.Put(ctx, string(id), value)
	return wrap(id, err)
}

func (s *State) encodeTree(ctx context.Context, t *agent.Tree) ([]byte, error) {
	m := &agent.Model{}
	key, ok := agent.ModelKeyOf(t.Identity, t.Firmware)
	if !ok || t.Shown == nil {
		body, _ := treeBody(m, t)
		return s.sealTree(m, body)
	}
	m, err := s.models.get(ctx, key)
	if err != nil {
		return nil, err
	}
	body, news := treeBody(m, t)
	refused := refusedBy(t)
	supports, _ := s.models.supportsBounds().Grow(m.Supports, t.Supports)
	news = news || supportsMore(m.Supports, supports)
	if t.Current && (news || m.Sample == nil || !m.Habits.Merge(refused).Equal(m.Habits)) {
		now, err := s.models.learn(ctx, key, t, refused)
		if err != nil && !errors.Is(err, errTooLarge) {
			s.log.Info("what a CPE has shown of its model is kept with its tree", zap.Error(err))
		}
		if now != nil && now != m {
			m = now
			body, _ = treeBody(m, t)
		}
	}
	return s.sealTree(m, body)
}

// refusedBy returns what the CPE has taught of names that it does not give.
func refusedBy(t *agent.Tree) agent.Habits {
	var h agent.Habits
	for _, name := range t.Refused[:min(len(t.Refused), agent.MaxRefused)] {
		h.Refused = append(h.Refused, path.Generic(name))
	}
	return h
}

func (s *State) sealTree(m *agent.Model, body []byte) ([]byte, error) {
	n := m.Outline.Len()
	head := binary.AppendUvarint(nil, uint64(n))
	if n > 0 {
		id := modelIDOf(m.Key)
		head = binary.BigEndian.AppendUint64(append(head, id[:]...), m.Outline.Sum(n))
	}
	return s.codec.seal(treeVersion, head, body)
}

// The bits of the first byte of a treeBody.
const (
	treeKnown = 1 << iota
	treeCurrent
	treeShown
)

// treeBody encodes a tree against what is known of its model: a byte of flags; the
// serial number, then the words of its model, each empty if it is as there, and
// otherwise with a byte in front; how many names were read, and when, each as the
// distance from the one before; and the packed Snapshot with these names and those that
// were refused. News reports that the model could have more of it.
func treeBody(m *agent.Model, t *agent.Tree) (body []byte, news bool) {
	flags := byte(0)
	for _, f := range []struct {
		bit byte
		on  bool
	}{{treeKnown, t.Known}, {treeCurrent, t.Current}, {treeShown, t.Shown != nil}} {
		if f.on {
			flags |= f.bit
		}
	}
	body = append(body, flags)
	words := treeWords(t)
	for i, as := range modelWords(m) {
		w := []byte(*words[i])
		if i > 0 {
			w = append([]byte{0}, w...)
			if m.Outline.Len() > 0 && *words[i] == as {
				w = nil
			}
		}
		body = appendPart(body, w)
	}
	names := slices.Sorted(maps.Keys(t.Read))
	body = binary.AppendUvarint(body, uint64(len(names)))
	last := int64(0)
	for _, name := range names {
		body = binary.AppendVarint(body, t.Read[name]-last)
		last = t.Read[name]
	}
	shown := t.Shown
	if shown == nil {
		shown = &model.Snapshot{}
	}
	packed, news := m.Outline.Pack(shown, append(names, t.Refused...))
	return append(body, packed...), news
}

// treeWords are those of a tree, modelWords what they are in its model.
func treeWords(t *agent.Tree) [5]*string {
	return [...]*string{
		&t.Identity.SerialNumber, &t.Identity.Manufacturer, &t.Identity.OUI, &t.Identity.ProductClass, &t.Firmware,
	}
}

func modelWords(m *agent.Model) [5]string {
	return [...]string{"", m.Key.Manufacturer, m.Key.OUI, m.Key.ProductClass, m.Key.SoftwareVersion}
}

func decodeTree(ctx context.Context, s *State, b []byte) (*agent.Tree, error) {
	b, err := unseal(b, treeVersion)
	if err != nil {
		return nil, err
	}
	n, size := binary.Uvarint(b)
	if size <= 0 || n > maxKinds {
		return nil, errDamaged
	}
	b = b[size:]
	m := &agent.Model{}
	if n > 0 {
		var id modelID
		if len(b) < len(id)+8 {
			return nil, errDamaged
		}
		copy(id[:], b)
		b = b[len(id):]
		if m, err = s.models.with(ctx, id, int(n), binary.BigEndian.Uint64(b)); m == nil {
			return nil, err
		}
		b = b[8:]
	}
	body, err := s.codec.inflate(b)
	if err != nil {
		return nil, err
	}
	return readTree(m, int(n), body)
}

// readTree is the opposite of treeBody.
func readTree(m *agent.Model, entries int, body []byte) (*agent.Tree, error) {
	if len(body) == 0 {
		return nil, errDamaged
	}
	flags, body := body[0], body[1:]
	t := &agent.Tree{Known: flags&treeKnown != 0, Current: flags&treeCurrent != 0, Read: make(map[string]int64)}
	words := treeWords(t)
	for i, as := range modelWords(m) {
		w, rest, ok := cutPart(body)
		switch {
		case !ok:
			return nil, errDamaged
		case i == 0:
			*words[i] = string(w)
		case len(w) == 0:
			*words[i] = as
		default:
			*words[i] = string(w[1:])
		}
		body = rest
	}
	count, size := binary.Uvarint(body)
	if size <= 0 || count > uint64(len(body)) {
		return nil, errDamaged
	}
	body = body[size:]
	at := make([]int64, count)
	last := int64(0)
	for i := range at {
		by, size := binary.Varint(body)
		if size <= 0 {
			return nil, errDamaged
		}
		last += by
		at[i], body = last, body[size:]
	}
	shown, names, err := m.Outline.Unpack(body, entries)
	if err == nil && len(names) < len(at) {
		err = errDamaged
	}
	if err != nil {
		return nil, errors.Join(errDamaged, err)
	}
	for i := range at {
		t.Read[names[i]] = at[i]
	}
	if names = names[len(at):]; len(names) > 0 {
		t.Refused = names
	}
	if flags&treeShown != 0 {
		t.Shown = shown
	}
	return t, nil
}
