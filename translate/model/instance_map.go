// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

// InstanceMap remembers which Device:2 instance number each row of the CPE was
// given. Numbers are never changed and never given twice, also not after the
// row is gone [R-ARC.8]. It belongs to one CPE, outlives the View, and is
// stored as JSON. Not safe for concurrent use.
type InstanceMap struct{}

// NewInstanceMap returns an empty map.
func NewInstanceMap() *InstanceMap { return &InstanceMap{} }

// Revision grows with every change worth storing.
func (m *InstanceMap) Revision() uint64 { return 0 }

// MarshalJSON writes the whole map.
func (m *InstanceMap) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }

// UnmarshalJSON replaces the map by one that MarshalJSON wrote.
func (m *InstanceMap) UnmarshalJSON([]byte) error { return nil }
