// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/uspgate/uspgate/internal/store"
)

// Secret returns 32 random bytes that all nodes have in common by that name: the
// key of what one of them hands out and another has to accept.
func (n *Node) Secret(ctx context.Context, name string) ([]byte, error) {
	key := "secret/" + name
	for {
		e, err := n.leases.Get(ctx, key)
		switch {
		case err == nil:
			return e.Value, nil
		case !errors.Is(err, store.ErrNotFound):
			return nil, fmt.Errorf("cluster: secret %s: %w", name, err)
		}
		value := make([]byte, 32)
		_, _ = rand.Read(value) // never fails
		switch _, err := n.leases.Create(ctx, key, value, 0); {
		case err == nil:
			return value, nil
		case !errors.Is(err, store.ErrConflict):
			return nil, fmt.Errorf("cluster: secret %s: %w", name, err)
		}
	}
}
