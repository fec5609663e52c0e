// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/uspgate/uspgate/usp"
)

// crowdDialers is how many connections of a Crowd are made at the same time.
const crowdDialers = 32

// crowd is a number of idle connections.
type crowd []*client

// Crowd connects n Endpoints that do nothing but listen; name gives the i-th
// its Endpoint ID. They are Agents. Nothing reads from the connections: what
// the gateway sends stays in their buffers. The caller closes what it gets.
func Crowd(ctx context.Context, s Side, n int, name func(i int) usp.EndpointID) (io.Closer, error) {
	c := make(crowd, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, crowdDialers)
	for d := range crowdDialers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if c[i], errs[d] = s.idle(ctx, name(i)); errs[d] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (s *Side) idle(ctx context.Context, id usp.EndpointID) (*client, error) {
	ctx, cancel := context.WithTimeout(ctx, DefaultTimeout)
	defer cancel()
	c, err := dial(ctx, s.URL, identity{
		self: usp.Address{ID: id, Role: usp.RoleAgent},
		peer: usp.Address{ID: "self::nobody", Role: usp.RoleController},
	}, idleBuffer)
	if err == nil {
		c.r = nil
	}
	return c, err
}

// Close ends all connections.
func (c crowd) Close() error {
	for _, one := range c {
		if one != nil {
			_ = one.conn.Close() // nothing is left to be sent
		}
	}
	return nil
}
