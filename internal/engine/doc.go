// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package engine is the one engine below the gateway: NATS JetStream, embedded
// in the process without any listener, or a cluster reached by URL. It gives
// the durable forms of three contracts: buffer.Queue, store.Store and
// cluster.Bus.
//
// JetStream fsyncs each message or none. The embedded engine lets it do none and
// fsyncs the blocks itself, once for all who wait (sync.go): nothing is
// acknowledged before.
//
// No other package imports NATS.
package engine
