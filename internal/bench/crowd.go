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

// nobody is the Controller to which a crowd shows itself. It is not there.
const nobody = usp.EndpointID("self::nobody")

// Crowd connects n Agents that do nothing but listen; name gives the i-th its
// Endpoint ID. With greet each shows itself with a Connect Record first, as an
// Agent in the field does, to a Controller that is not there. Nothing reads from
// the connections: what the gateway sends stays in their buffers. The caller
// closes what it gets.
func Crowd(ctx context.Context, s Side, n int, greet bool, name func(i int) usp.EndpointID) (io.Closer, error) {
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
				if c[i], errs[d] = s.idle(ctx, name(i), greet); errs[d] != nil {
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

func (s *Side) idle(ctx context.Context, id usp.EndpointID, greet bool) (*client, error) {
	ctx, cancel := context.WithTimeout(ctx, DefaultTimeout)
	defer cancel()
	c, err := dial(ctx, s.URL, identity{
		self: usp.Address{ID: id, Role: usp.RoleAgent},
		peer: usp.Address{ID: nobody, Role: usp.RoleController},
	}, idleBuffer)
	if err != nil {
		return nil, err
	}
	c.r = nil
	if rec, ok := c.proto.connect(id, nobody); ok && greet {
		f := c.proto.frame(rec.Bytes())
		if err := c.write(f.bytes, len(f.bytes)); err != nil {
			return nil, errors.Join(ended(err), c.conn.Close())
		}
	}
	return c, nil
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
