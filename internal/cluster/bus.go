// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Failures of a Bus. Implementations wrap them.
var (
	// ErrNoNode: nobody serves that service at that node. The request was not
	// handled.
	ErrNoNode = errors.New("cluster: no such node")
	// ErrNoReply: there was no reply in time. The request may have been handled, or
	// may be yet.
	ErrNoReply = errors.New("cluster: no reply in time")
	// ErrBusBusy: too many requests of this node wait for their replies. This one
	// was not sent.
	ErrBusBusy = errors.New("cluster: too many requests under way")
	// ErrBusTooLarge: the data is more than MaxPayload. Nothing was sent.
	ErrBusTooLarge = errors.New("cluster: more than one message of the Bus takes")
	// ErrBusClosed: the Bus is closed, or not connected now.
	ErrBusClosed = errors.New("cluster: the Bus is not connected")
)

// DefaultInFlight is how many requests of a Bus wait for replies at a time.
const DefaultInFlight = 16_384

// Bus carries requests from node to node. A node is any non-empty string of at
// most 255 bytes; a service is lower case letters and hyphens. Safe for concurrent
// use; several may be in one process.
//
// What one goroutine sends to one service of one node is handled in that order.
// A request may get lost, or be handled without a reply coming back: the sender
// hears ErrNoReply, and later requests may still arrive. None is handled twice.
type Bus interface {
	// Request sends data and waits for the reply, or for the end of ctx: then
	// the error is ErrNoReply. The data is the caller's again at return, the reply
	// is the caller's to keep.
	Request(ctx context.Context, node, service string, data []byte) ([]byte, error)
	// Send is Request without the wait: on nil it owes exactly one call of done,
	// which comes after timeout at the latest, must not block, and may come before
	// Send returns. ErrBusBusy above a bound of the implementation, at least 1024.
	Send(node, service string, data []byte, timeout time.Duration, done func(reply []byte, err error)) error
	// Serve has h handle the requests to that service of node, until stop is
	// called, which waits for a call of h in progress. One Serve per service and
	// node.
	Serve(node, service string, h BusHandler) (stop func(), err error)
	// MaxPayload is the largest request or reply in bytes.
	MaxPayload() int
}

// BusHandler handles one request. It is called by one goroutine at a time, in
// order; while it blocks the requests behind it wait, within the bounds of the
// implementation, and get lost beyond. The data is its own to keep. It calls reply
// at most once, then or later, from any goroutine; reply does not block and the data
// is the handler's again when it has returned.
type BusHandler func(data []byte, reply func(data []byte))

// Await is a Bus's Request: it has send send the request, and waits for done or for the
// end of ctx. Then abandon, which send has returned, has to call done with that error,
// unless it has been called.
func Await(
	ctx context.Context, send func(done func(reply []byte, err error)) (abandon func(error), err error),
) ([]byte, error) {
	type outcome struct {
		reply []byte
		err   error
	}
	c := make(chan outcome, 1)
	abandon, err := send(func(reply []byte, err error) { c <- outcome{reply, err} })
	if err != nil {
		return nil, err
	}
	select {
	case o := <-c:
		return o.reply, o.err
	case <-ctx.Done():
		abandon(fmt.Errorf("%w: %w", ErrNoReply, context.Cause(ctx)))
		o := <-c
		return o.reply, o.err
	}
}
