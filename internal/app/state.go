// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/internal/state"
	"github.com/uspgate/uspgate/internal/store"
)

// stateStart bounds how long the reading of the journal takes at start.
const stateStart = time.Minute

// openState opens what is kept of the devices: in the engine, or in memory where
// there is none.
func openState(k *keep, o Options, reg prometheus.Registerer) (*state.State, error) {
	var s store.Store = &store.Memory{}
	if k.engine != nil {
		s = k.engine.Store()
	}
	ctx, cancel := context.WithTimeout(context.Background(), stateStart)
	defer cancel()
	var err error
	k.state, err = state.Open(ctx, s, state.Options{
		Log: o.Log, Metrics: reg, Journal: state.JournalOptions{Shared: o.Config.Engine.URL != ""},
		Inventory: state.InventoryOptions{MaxLearned: o.Config.Translate.MaxDevices},
	})
	return k.state, err
}
