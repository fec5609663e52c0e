// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/internal/inventory"
	"github.com/uspgate/uspgate/internal/state"
)

// Bounds of a login that is learned, in bytes [TR-069 3.4.4], and how often it is said
// that there is no room for more.
const (
	maxLearned     = 256
	learnedFullLog = time.Minute
)

// keptLogins are the logins of CPE in the inventory.
type keptLogins struct {
	inventory *state.Inventory
	log       *zap.Logger
	// shared: other nodes write to the inventory, too.
	shared bool
	total  *prometheus.CounterVec
	told   atomic.Int64 // when it was said that there is no room, in Unix time
}

func newKeptLogins(v *state.Inventory, shared bool, log *zap.Logger, reg prometheus.Registerer) (*keptLogins, error) {
	k := &keptLogins{
		inventory: v, log: log.Named("cwmp.auth"), shared: shared,
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "uspgate_cwmp_learned_logins_total", Help: "First logins of CPE, by what became of them.",
		}, []string{"result"}),
	}
	if err := reg.Register(k.total); err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	for _, result := range []string{"learned", "refused", "failed"} {
		k.total.WithLabelValues(result)
	}
	return k, nil
}

// beside returns the accounts of next with the login of the CPE in the inventory, if
// it is of an origin that is good.
func (k *keptLogins) beside(next acs.Accounts, imported, learned bool) acs.Accounts {
	good := map[string]bool{state.Imported: imported, state.Learned: learned}
	return func(ctx context.Context, c *acs.Claim) ([]string, error) {
		passwords, err := next(ctx, c)
		if err != nil || !k.shared && !k.inventory.Has(c.Device) {
			return passwords, err
		}
		l, err := k.inventory.Get(ctx, c.Device)
		if err != nil {
			return nil, err
		}
		if l != nil && good[l.From] && l.ACS.Username == c.Username {
			passwords = append(passwords, l.ACS.Password)
		}
		return passwords, nil
	}
}

// errNotLearned: there is nothing to keep.
var errNotLearned = errors.New("the login has no user name or no password that could be kept")

// learn is acs.AccessOptions.Learn.
func (k *keptLogins) learn(ctx context.Context, l acs.Learned) error {
	login := inventory.Login{Username: l.Claim.Username, Password: l.Password}
	err := errNotLearned
	if login.Username != "" && login.Password != "" && len(login.Username) <= maxLearned &&
		len(login.Password) <= maxLearned && l.Claim.Device.SerialNumber != "" {
		err = k.inventory.Learn(ctx, l.Claim.Device, login)
	}
	switch {
	case err == nil:
		k.total.WithLabelValues("learned").Inc()
		k.log.Info("the first login of a CPE is trusted from now on",
			zap.Stringer("device", l.Claim.Device), zap.String("username", login.Username),
			zap.Stringer("remote", l.Claim.Remote))
	case errors.Is(err, errNotLearned), errors.Is(err, state.ErrHasLogin):
		k.total.WithLabelValues("refused").Inc()
	default:
		k.total.WithLabelValues("failed").Inc()
		k.fails(err)
	}
	return err
}

// fails tells now and then why nothing is learned.
func (k *keptLogins) fails(err error) {
	now, last := time.Now().Unix(), k.told.Load()
	if now-last >= int64(learnedFullLog/time.Second) && k.told.CompareAndSwap(last, now) {
		k.log.Error("logins of CPE can not be learned", zap.Error(err))
	}
}
