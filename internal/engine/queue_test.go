// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"context"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/routing/buffer/buffertest"
)

// opened is a Queue with its Engine.
type opened struct {
	*engine.Queue
	e    *engine.Engine
	dir  string
	o    engine.QueueOptions
	once sync.Once
}

func open(t *testing.T, dir string, o engine.QueueOptions) *opened {
	t.Helper()
	log := zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel))
	e, err := engine.Open(context.Background(), engine.Options{Dir: dir, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	q, err := e.Queue(context.Background(), o)
	if err != nil {
		e.Close()
		t.Fatal(err)
	}
	got := &opened{Queue: q, e: e, dir: dir, o: o}
	t.Cleanup(got.close)
	return got
}

func (q *opened) close() {
	q.once.Do(func() {
		q.Close()
		q.e.Close()
	})
}

func options(l buffertest.Limits) engine.QueueOptions {
	return engine.QueueOptions{Limits: buffer.Limits{
		MaxRecords: l.Records, MaxBytes: l.Bytes, MaxAge: l.MaxAge,
		TotalRecords: l.TotalRecords, TotalBytes: l.TotalBytes, Overflow: l.Overflow,
	}, Metrics: l.Metrics}
}
