// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp"
)

// version is that of the records this gateway writes: a byte, the length of the head as
// a varint, the head as JSON, likewise how to call the CPE, and as compressed JSON what
// the Virtual Agent remembers; either may be missing. The head is what has to be known
// of a device that sleeps. How to call the CPE changes often, and is read and written
// without the rest.
const version = 3

// ErrNewer is what reading a record of a later version fails with.
var ErrNewer = errors.New("the record was written by a newer version of uspgate: use that one, or another data_dir")

// errDamaged: a record is none.
var errDamaged = errors.New("the record is damaged")

// record is all that is durable of one device.
type record struct {
	Head head `json:"-"`
	// Known is how to call the CPE, Agent what the Virtual Agent remembers; nil
	// until it is saved first.
	Known *device.Known `json:"known,omitempty"`
	Agent *agent.State  `json:"agent,omitempty"`
	// packed is Agent as it is stored, where it has not been decoded; see codec.agent.
	packed []byte
}

// head is the part of a record that is read at start.
type head struct {
	EndpointID   usp.EndpointID `json:"id"`
	Manufacturer string         `json:"manufacturer,omitempty"`
	OUI          string         `json:"oui"`
	ProductClass string         `json:"class,omitempty"`
	SerialNumber string         `json:"serial"`
	Mode         string         `json:"mode"` // who answers the CPE
	Tags         []string       `json:"tags,omitempty"`
	Firmware     string         `json:"fw,omitempty"`
	Wakes        []agent.Wake   `json:"wakes,omitempty"`
	Grants       []agent.Grant  `json:"grants,omitempty"`
	Rest         device.Rest    `json:"rest,omitzero"`
	Demands      *agent.Demands `json:"demands,omitempty"`
}

// modeTranslate: the gateway answers the CPE.
const modeTranslate = "translate"

func (h *head) identity() cwmp.DeviceID {
	return cwmp.DeviceID{
		Manufacturer: h.Manufacturer, OUI: h.OUI, ProductClass: h.ProductClass, SerialNumber: h.SerialNumber,
	}
}

func newHead(id usp.EndpointID, d cwmp.DeviceID) head {
	k := d.Key()
	return head{
		EndpointID: id, Manufacturer: d.Manufacturer, OUI: k.OUI, ProductClass: k.ProductClass,
		SerialNumber: k.SerialNumber, Mode: modeTranslate,
	}
}

// codec encodes records. Its zero value is ready for use.
type codec struct {
	writers, readers sync.Pool
}

func (c *codec) encode(r *record) ([]byte, error) {
	if r.Agent != nil {
		r.Head.Firmware, r.Head.Wakes, r.Head.Grants = r.Agent.Firmware, r.Agent.Wakes, r.Agent.Grants
		r.Head.Rest = r.Agent.Rest
		r.Head.Demands = r.Agent.Demands
	}
	out := []byte{version}
	for _, part := range []any{&r.Head, r.Known} {
		b, err := json.Marshal(part)
		if err != nil {
			return nil, fmt.Errorf("encoding: %w", err)
		}
		out = appendPart(out, b)
	}
	if r.Agent == nil {
		return append(out, r.packed...), nil
	}
	body, err := json.Marshal(r.Agent)
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	return c.deflate(out, body)
}

// agent returns what the Virtual Agent of a record remembers, nil for nothing.
func (c *codec) agent(r *record) (*agent.State, error) {
	if r.Agent != nil || len(r.packed) == 0 {
		return r.Agent, nil
	}
	body, err := c.inflate(r.packed)
	if err != nil {
		return nil, err
	}
	st := &agent.State{}
	if err := json.Unmarshal(body, st); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return st, nil
}

// deflate appends body, compressed.
func (c *codec) deflate(to, body []byte) (_ []byte, err error) {
	out := bytes.NewBuffer(to)
	w, ok := c.writers.Get().(*flate.Writer)
	if ok {
		w.Reset(out)
	} else if w, err = flate.NewWriter(out, flate.BestSpeed); err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	defer c.writers.Put(w)
	if _, err := w.Write(body); err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	return out.Bytes(), nil
}

// maxBody bounds what a record is when it is not compressed.
const maxBody = 64 << 20

// inflate returns what was compressed.
func (c *codec) inflate(b []byte) ([]byte, error) {
	in := bytes.NewReader(b)
	r, ok := c.readers.Get().(io.ReadCloser)
	if !ok {
		r = flate.NewReader(in)
	} else if err := r.(flate.Resetter).Reset(in, nil); err != nil { //nolint:forcetypeassert // package flate says so
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	defer c.readers.Put(r)
	var body bytes.Buffer
	body.Grow(4 * len(b))
	if _, err := body.ReadFrom(io.LimitReader(r, maxBody)); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return body.Bytes(), nil
}

// migration returns what turns a record of a version into what it is in this one,
// nil for a version that never was. Each that was has its row for ever.
func migration(v byte) func(c *codec, b []byte) (*record, error) {
	switch v {
	case 1:
		return decodeV1
	case 2:
		return decodeV2
	case version:
		return decodeV3
	default:
		return nil
	}
}

func (c *codec) decode(b []byte) (*record, error) {
	v, err := versionOf(b)
	if err != nil {
		return nil, err
	}
	f := migration(v)
	if f == nil {
		return nil, errDamaged
	}
	return f(c, b)
}

// versionOf returns the version of a record. The first was JSON as a whole.
func versionOf(b []byte) (byte, error) {
	switch {
	case len(b) == 0 || b[0] == 0:
		return 0, errDamaged
	case b[0] == '{':
		return 1, nil
	case b[0] > version:
		return 0, fmt.Errorf("version %d: %w", b[0], ErrNewer)
	default:
		return b[0], nil
	}
}

// decodeV1 reads the records of before 0.4: one JSON object, without mode.
func decodeV1(_ *codec, b []byte) (*record, error) {
	var old struct {
		V int `json:"v"`
		head
		record
	}
	if err := json.Unmarshal(b, &old); err != nil || old.V != 1 {
		return nil, errors.Join(errDamaged, err)
	}
	r := old.record
	r.Head = old.head
	r.Head.Mode = modeTranslate
	if r.Agent != nil {
		r.Head.Wakes, r.Head.Grants = r.Agent.Wakes, r.Agent.Grants
	}
	return &r, nil
}

// decodeV2 reads the records of before 0.5: behind the head one JSON object, compressed.
func decodeV2(c *codec, b []byte) (*record, error) {
	h, body, err := splitHead(b)
	if err != nil {
		return nil, err
	}
	if body, err = c.inflate(body); err != nil {
		return nil, err
	}
	r := &record{Head: *h}
	if err := json.Unmarshal(body, r); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return r, nil
}

func decodeV3(_ *codec, b []byte) (*record, error) {
	h, rest, err := splitHead(b)
	if err != nil {
		return nil, err
	}
	known, packed, ok := cutPart(rest)
	if !ok {
		return nil, errDamaged
	}
	r := &record{Head: *h, packed: packed}
	if err := json.Unmarshal(known, &r.Known); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return r, nil
}

// decodeHead reads the head alone.
func (c *codec) decodeHead(b []byte) (*head, error) {
	v, err := versionOf(b)
	if err != nil {
		return nil, err
	}
	if v == 2 || v == version {
		h, _, err := splitHead(b)
		return h, err
	}
	r, err := c.decode(b)
	if err != nil {
		return nil, err
	}
	return &r.Head, nil
}

func splitHead(b []byte) (h *head, body []byte, err error) {
	n, size := binary.Uvarint(b[1:])
	if size <= 0 || n > uint64(len(b)-1-size) {
		return nil, nil, errDamaged
	}
	b = b[1+size:]
	h = &head{}
	if err := json.Unmarshal(b[:n], h); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if h.EndpointID == "" {
		return nil, nil, errDamaged
	}
	return h, b[n:], nil
}
