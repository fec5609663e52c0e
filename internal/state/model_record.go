// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"

	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/model"
)

// modelVersion is that of the records of models: a byte, a checksum of the rest, and
// compressed, each with its length in front, a head as JSON, the Outline, the Sample, packed
// against that, and the Supports, see appendSupports. Records of before these end there.
const modelVersion = 1

// maxModel bounds such a record in bytes.
const maxModel = 1 << 20

// modelRecord is all that is stored of one model.
type modelRecord struct {
	Model   *agent.Model
	Written int64 // seconds of Unix time
}

type modelHead struct {
	Key     agent.ModelKey `json:"key"`
	Habits  agent.Habits   `json:"habits"`
	Written int64          `json:"written"`
}

func (c *codec) encodeModel(r *modelRecord) ([]byte, error) {
	h, err := json.Marshal(&modelHead{Key: r.Model.Key, Habits: r.Model.Habits, Written: r.Written})
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	outline, err := r.Model.Outline.AppendBinary(nil)
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	var sample []byte
	if r.Model.Sample != nil {
		sample, _ = r.Model.Outline.Pack(r.Model.Sample, nil)
	}
	body := appendPart(appendPart(appendPart(nil, h), outline), sample)
	for _, s := range r.Model.Supports {
		body = appendPart(body, appendSupports(nil, s))
	}
	return c.seal(modelVersion, nil, body)
}

func (c *codec) decodeModel(b []byte, id modelID) (*modelRecord, error) {
	b, err := unseal(b, modelVersion)
	if err != nil {
		return nil, err
	}
	body, err := c.inflate(b)
	if err != nil {
		return nil, err
	}
	head, body, ok1 := cutPart(body)
	outline, body, ok2 := cutPart(body)
	sample, body, ok3 := cutPart(body)
	var h modelHead
	if !ok1 || !ok2 || !ok3 || json.Unmarshal(head, &h) != nil || modelIDOf(h.Key) != id {
		return nil, errDamaged
	}
	m := &agent.Model{Key: h.Key, Habits: h.Habits}
	if m.Outline, err = model.ParseOutline(outline); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if len(sample) > 0 {
		if m.Sample, _, err = m.Outline.Unpack(sample, m.Outline.Len()); err != nil {
			return nil, fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
	for len(body) > 0 {
		part, rest, ok := cutPart(body)
		s := readSupports(part)
		if !ok || s == nil {
			return nil, errDamaged
		}
		m.Supports, body = append(m.Supports, s), rest
	}
	return &modelRecord{Model: m, Written: h.Written}, nil
}

// appendSupports appends the sum of the Rules, how often they have grown, how many commands
// there are, these, each with its length in front, and the supported data model.
func appendSupports(b []byte, s *agent.Supports) []byte {
	b = binary.BigEndian.AppendUint64(b, s.Rules)
	b = binary.AppendUvarint(b, s.Grown)
	b = binary.AppendUvarint(b, uint64(len(s.Commands)))
	for _, c := range s.Commands {
		b = appendPart(b, []byte(c))
	}
	b, _ = s.Objects.AppendBinary(b)
	return b
}

// readSupports is the opposite; nil: they are none.
func readSupports(b []byte) *agent.Supports {
	const sum = 8
	if len(b) < sum {
		return nil
	}
	s := &agent.Supports{Rules: binary.BigEndian.Uint64(b)}
	b = b[sum:]
	grown, n := binary.Uvarint(b)
	if n <= 0 {
		return nil
	}
	count, m := binary.Uvarint(b[n:])
	if m <= 0 || count > uint64(len(b)) {
		return nil
	}
	s.Grown, b = grown, b[n+m:]
	for range count {
		c, rest, ok := cutPart(b)
		if !ok || len(s.Commands) > 0 && string(c) <= s.Commands[len(s.Commands)-1] {
			return nil
		}
		s.Commands, b = append(s.Commands, string(c)), rest
	}
	var err error
	if s.Objects, err = model.ParseSupported(b); err != nil {
		return nil
	}
	return s
}

// appendPart appends p with its length in front, cutPart takes it off.
func appendPart(b, p []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(p))), p...)
}

func cutPart(b []byte) (part, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	return b[size : size+int(n)], b[size+int(n):], true
}

// sumLength is that of the checksum after the version.
const sumLength = 4

// seal makes a record of a version: head as it is, and body compressed.
func (c *codec) seal(version byte, head, body []byte) ([]byte, error) {
	out := append([]byte{version, 0, 0, 0, 0}, head...)
	out, err := c.deflate(out, body)
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(out[1:], crc32.ChecksumIEEE(out[1+sumLength:]))
	return out, nil
}

// unseal returns what is behind the checksum of a record.
func unseal(b []byte, version byte) ([]byte, error) {
	switch {
	case len(b) > 0 && b[0] > version:
		return nil, fmt.Errorf("version %d: %w", b[0], ErrNewer)
	case len(b) < 1+sumLength || b[0] != version:
		return nil, errDamaged
	}
	rest := b[1+sumLength:]
	if binary.BigEndian.Uint32(b[1:]) != crc32.ChecksumIEEE(rest) {
		return nil, errDamaged
	}
	return rest, nil
}
