// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/inventory"
	"github.com/uspgate/uspgate/internal/store"
)

const inventoryBucket = "INVENTORY"

// inventoryVersion is that of the records of the inventory: a byte, and JSON.
const inventoryVersion = 1

// maxInventory bounds such a record in bytes.
const maxInventory = 64 << 10

// InventoryOptions bound the inventory. The zero value of a field means its default.
type InventoryOptions struct {
	// MaxDevices bounds how many CPE have an entry, as they are counted at the start
	// with what this process has written since; default 1,000,000. Import fails beyond
	// it.
	MaxDevices int
	// MaxLearned bounds how many of these are there for a login that was learned alone;
	// default 200,000. Beyond it nothing is learned.
	MaxLearned int
}

// The origins of a login.
const (
	Imported = "imported"
	Learned  = "learned"
)

// Listed is what the operator has said of a CPE that may never have come, with the
// login that it has, or was learned from it.
type Listed struct {
	// ID is the identity of the CPE; all but Manufacturer as in its Key.
	ID cwmp.DeviceID
	// ACS is how the CPE logs in, From whether that was Imported or Learned, and Since
	// when, to the second; all zero where nothing is known.
	ACS   inventory.Login
	From  string
	Since time.Time
	// ConnectionRequest is how the CPE is called, and ConnectionRequestURL where.
	ConnectionRequest    inventory.Login
	ConnectionRequestURL string
	// Tags are the operator's words.
	Tags []string
	// Imported: the operator has named it; otherwise it is here for what was learned
	// alone.
	Imported bool
}

// listing is a Listed as JSON.
type listing struct {
	Manufacturer string   `json:"manufacturer,omitempty"`
	OUI          string   `json:"oui"`
	ProductClass string   `json:"class,omitempty"`
	SerialNumber string   `json:"serial"`
	Username     string   `json:"user,omitempty"`
	Password     string   `json:"password,omitempty"`
	From         string   `json:"from,omitempty"`
	Since        int64    `json:"since,omitempty"` // seconds of Unix time
	CRUsername   string   `json:"crUser,omitempty"`
	CRPassword   string   `json:"crPassword,omitempty"`
	CRURL        string   `json:"crURL,omitempty"`
	Tags         []string `json:"tags,omitempty"`
	Imported     bool     `json:"imported,omitempty"`
}

// Inventory is what is listed, with an entry for each CPE. Safe for concurrent use.
type Inventory struct {
	o      InventoryOptions
	log    *zap.Logger
	bucket store.Bucket
	// learned is how many entries there are for what was learned alone; about, where
	// several nodes write, and so are the names.
	learned atomic.Int64

	mu    sync.RWMutex
	names map[string]struct{} // of all that have an entry, as cwmp.DeviceID.String
}

func openInventory(ctx context.Context, s store.Store, o Options) (*Inventory, error) {
	v := &Inventory{o: o.Inventory, log: o.Log.Named("state"), names: make(map[string]struct{})}
	def(&v.o.MaxDevices, 1_000_000)
	def(&v.o.MaxLearned, 200_000)
	var err error
	if v.bucket, err = s.Bucket(ctx, inventoryBucket, store.BucketOptions{MaxValue: maxInventory}); err != nil {
		return nil, fmt.Errorf("state: %s: %w", inventoryBucket, err)
	}
	unread := 0
	err = v.bucket.Each(ctx, "", func(e store.Entry) error {
		l, err := decodeListed(e.Value)
		if err != nil {
			unread++
			v.names[e.Key] = struct{}{} // its login is not known, and none is to be learned
			return nil                  //nolint:nilerr // told below, and whenever it is needed
		}
		v.counted(nil, l)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("state: %s: %w", inventoryBucket, err)
	}
	if unread > 0 {
		v.log.Error("entries of the inventory cannot be read; these CPE are refused where they have to log in",
			zap.Int("entries", unread))
	}
	return v, nil
}

// listKey is the key of a CPE. Those with a long identity have a hash.
func listKey(id cwmp.DeviceID) string {
	const long = 256
	if key := id.String(); len(key) <= long {
		return key
	}
	sum := sha256.Sum256([]byte(id.String()))
	return "#" + hex.EncodeToString(sum[:])
}

func encodeListed(l *Listed) ([]byte, error) {
	r := listing{
		Manufacturer: l.ID.Manufacturer, OUI: l.ID.OUI, ProductClass: l.ID.ProductClass, SerialNumber: l.ID.SerialNumber,
		Username: l.ACS.Username, Password: l.ACS.Password, From: l.From,
		CRUsername: l.ConnectionRequest.Username, CRPassword: l.ConnectionRequest.Password, CRURL: l.ConnectionRequestURL,
		Tags: l.Tags, Imported: l.Imported,
	}
	if !l.Since.IsZero() {
		r.Since = l.Since.Unix()
	}
	b, err := json.Marshal(&r)
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	return append([]byte{inventoryVersion}, b...), nil
}

func decodeListed(b []byte) (*Listed, error) {
	var r listing
	switch {
	case len(b) > 0 && b[0] > inventoryVersion:
		return nil, fmt.Errorf("version %d: %w", b[0], ErrNewer)
	case len(b) == 0 || b[0] != inventoryVersion || json.Unmarshal(b[1:], &r) != nil || r.SerialNumber == "":
		return nil, errDamaged // what json says may have a password in it
	}
	l := &Listed{
		ID: cwmp.DeviceID{
			Manufacturer: r.Manufacturer, OUI: r.OUI, ProductClass: r.ProductClass, SerialNumber: r.SerialNumber,
		},
		ACS: inventory.Login{Username: r.Username, Password: r.Password}, From: r.From,
		ConnectionRequest:    inventory.Login{Username: r.CRUsername, Password: r.CRPassword},
		ConnectionRequestURL: r.CRURL, Tags: r.Tags, Imported: r.Imported,
	}
	if r.Since != 0 {
		l.Since = time.Unix(r.Since, 0)
	}
	return l, nil
}

// Get returns what is listed of a CPE; nil: it is not.
func (v *Inventory) Get(ctx context.Context, id cwmp.DeviceID) (*Listed, error) {
	l, _, err := v.get(ctx, id.Key())
	return l, err
}

func (v *Inventory) get(ctx context.Context, key cwmp.DeviceID) (*Listed, store.Entry, error) {
	e, err := v.bucket.Get(ctx, listKey(key))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, e, nil
	case err != nil:
		return nil, e, fmt.Errorf("state: inventory: %s: %w", key, err)
	}
	l, err := decodeListed(e.Value)
	if err != nil { // e has the revision
		return nil, e, fmt.Errorf("state: inventory: %s: %w", key, err)
	}
	if l.ID.Key() != key { // a hash of two: nobody sees that
		return nil, e, fmt.Errorf("state: inventory: %s: %w", key, errDamaged)
	}
	return l, e, nil
}

// Unreadable reports whether an error is that of an entry which cannot be read; Import
// replaces one that is damaged.
func Unreadable(err error) bool { return errors.Is(err, errDamaged) || errors.Is(err, ErrNewer) }

// Each calls f for every entry that can be read, in no order, until f returns an
// error, which it returns.
func (v *Inventory) Each(ctx context.Context, f func(*Listed) error) error {
	err := v.bucket.Each(ctx, "", func(e store.Entry) error {
		l, err := decodeListed(e.Value)
		if err != nil {
			return nil //nolint:nilerr // told at the start, and when it is asked for
		}
		return f(l)
	})
	if err != nil {
		return fmt.Errorf("state: inventory: %w", err)
	}
	return nil
}

// Len is how many entries there are, as far as this process knows.
func (v *Inventory) Len() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.names)
}

// Has reports whether a CPE has an entry, as Names would.
func (v *Inventory) Has(id cwmp.DeviceID) bool {
	name := id.String()
	v.mu.RLock()
	defer v.mu.RUnlock()
	_, ok := v.names[name]
	return ok
}

// Names returns the names of all that have an entry, as cwmp.DeviceID.String, in no
// order: as far as this process knows, which is all where it alone writes.
func (v *Inventory) Names() []string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return slices.AppendSeq(make([]string, 0, len(v.names)), maps.Keys(v.names))
}

// Change is what Import has done.
type Change uint8

// The Changes.
const (
	Unchanged Change = iota
	Changed
	Added
)

// ErrInventoryFull is returned where the inventory has as many entries as it may have.
var ErrInventoryFull = errors.New("the inventory is full")

// Import takes in what a file says of a CPE. What it says nothing of stays as it is;
// a login takes the place of the one before, also of one that was learned, and tags
// that of all tags. With dry it only tells what would be. It is durable when it
// returns.
func (v *Inventory) Import(ctx context.Context, d *inventory.Device, dry bool) (Change, error) {
	return v.change(ctx, d.ID, dry, func(l *Listed) error {
		l.Imported = true
		if d.ACS != (inventory.Login{}) && (l.ACS != d.ACS || l.From != Imported) {
			l.ACS, l.From, l.Since = d.ACS, Imported, time.Now()
		}
		if d.ConnectionRequest != (inventory.Login{}) {
			l.ConnectionRequest = d.ConnectionRequest
		}
		if d.ConnectionRequestURL != "" {
			l.ConnectionRequestURL = d.ConnectionRequestURL
		}
		if d.Tags != nil && !slices.Equal(l.Tags, d.Tags) {
			l.Tags = d.Tags
		}
		if d.ID.Manufacturer != "" {
			l.ID.Manufacturer = d.ID.Manufacturer
		}
		return nil
	})
}

// ErrHasLogin is returned by Learn where a login of the CPE is known already.
var ErrHasLogin = errors.New("the CPE has another login")

// Learn keeps the login that a CPE has used, unless it has one: then, ErrHasLogin.
func (v *Inventory) Learn(ctx context.Context, id cwmp.DeviceID, login inventory.Login) error {
	if v.learned.Load() >= int64(v.o.MaxLearned) {
		return ErrInventoryFull
	}
	_, err := v.change(ctx, id, false, func(l *Listed) error {
		if l.ACS != (inventory.Login{}) {
			return ErrHasLogin
		}
		l.ACS, l.From, l.Since = login, Learned, time.Now()
		return nil
	})
	return err
}

// errNoLogin: there is nothing to forget.
var errNoLogin = errors.New("no login is known")

// Forget takes back the login of a CPE, of whatever origin, and reports whether there
// was one. What else the operator has said of it stays.
func (v *Inventory) Forget(ctx context.Context, id cwmp.DeviceID) (bool, error) {
	imported := false
	_, err := v.change(ctx, id, false, func(l *Listed) error {
		if l.ACS == (inventory.Login{}) {
			return errNoLogin
		}
		l.ACS, l.From, l.Since, imported = inventory.Login{}, "", time.Time{}, l.Imported
		return nil
	})
	switch {
	case errors.Is(err, errNoLogin):
		return false, nil
	case err != nil || imported:
		return err == nil, err
	}
	return v.Remove(ctx, id)
}

// Remove takes a CPE off the list, and reports whether it was there.
func (v *Inventory) Remove(ctx context.Context, id cwmp.DeviceID) (bool, error) {
	l, e, err := v.get(ctx, id.Key())
	if err != nil || l == nil {
		return false, err
	}
	if err := v.bucket.Delete(ctx, listKey(l.ID), e.Revision); err != nil {
		return false, fmt.Errorf("state: inventory: %s: %w", id, err)
	}
	v.counted(l, nil)
	return true, nil
}

// change changes the entry of a CPE, which f may find empty.
func (v *Inventory) change(ctx context.Context, id cwmp.DeviceID, dry bool, f func(*Listed) error) (Change, error) {
	key := id.Key()
	for range tries {
		was, e, err := v.get(ctx, key)
		if err != nil && !errors.Is(err, errDamaged) { // that is replaced
			return Unchanged, err
		}
		now := &Listed{ID: key}
		if was != nil {
			*now = *was
		}
		if err := f(now); err != nil {
			return Unchanged, err
		}
		done, err := v.put(ctx, was, now, e, dry)
		if !errors.Is(err, store.ErrConflict) {
			return done, err
		}
	}
	return Unchanged, fmt.Errorf("state: inventory: %s: %w", id, store.ErrConflict)
}

// put writes the entry in the place of the one that was there.
func (v *Inventory) put(ctx context.Context, was, now *Listed, e store.Entry, dry bool) (Change, error) {
	value, err := encodeListed(now)
	if err != nil {
		return Unchanged, err
	}
	done := Changed
	switch {
	case e.Revision == 0 && v.Len() >= v.o.MaxDevices:
		return Unchanged, ErrInventoryFull
	case was == nil:
		done = Added // or mended
	case bytes.Equal(value, e.Value):
		return Unchanged, nil
	}
	if dry {
		return done, nil
	}
	if e.Revision == 0 {
		_, err = v.bucket.Create(ctx, listKey(now.ID), value, 0)
	} else {
		_, err = v.bucket.Update(ctx, listKey(now.ID), value, e.Revision, 0)
	}
	if err != nil {
		return Unchanged, fmt.Errorf("state: inventory: %s: %w", now.ID, err)
	}
	v.counted(was, now)
	return done, nil
}

// counted keeps the counts and the names: was has become now, nil is none.
func (v *Inventory) counted(was, now *Listed) {
	if was != nil && !was.Imported {
		v.learned.Add(-1)
	}
	if now != nil && !now.Imported {
		v.learned.Add(1)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case now != nil:
		v.names[now.ID.String()] = struct{}{}
	case was != nil:
		delete(v.names, was.ID.String())
	}
}
