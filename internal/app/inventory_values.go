// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uspgate/uspgate/internal/admin"
	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// Values implements admin.Devices. Of a CPE that has never come nothing is known.
func (k *desk) Values(ctx context.Context, name, path string, limit int) (*admin.DeviceValues, error) {
	t, err := k.find(ctx, name)
	if err != nil || t == nil {
		return nil, err
	}
	out := &admin.DeviceValues{Values: []admin.DeviceValue{}}
	if t.seen == nil {
		return out, nil
	}
	list, more, err := k.host.Values(ctx, t.seen.EndpointID, path, limit)
	var bad *usp.Error
	switch {
	case errors.As(err, &bad):
		return nil, fmt.Errorf("%w: %s", admin.ErrBadPath, bad.Error())
	case errors.Is(err, agent.ErrUnknownAgent) && k.shared:
		return nil, admin.ErrElsewhere
	case err != nil:
		return nil, err
	}
	out.More = more
	now := time.Now()
	for _, v := range list {
		allowed := config.Freshness(v.Rule.MaxAge)
		if v.Rule.Cached {
			allowed = config.Cached
		}
		out.Values = append(out.Values, admin.DeviceValue{
			Path: v.Path, Value: v.Value, ReadAt: v.ReadAt.UTC(), Freshness: allowed.String(),
			Fresh: v.Rule.Cached || v.Rule.MaxAge > 0 && now.Sub(v.ReadAt) < v.Rule.MaxAge,
		})
	}
	return out, nil
}
