// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"net/netip"
	"time"
)

// Kind tells what an Event is about.
type Kind uint8

const (
	// Started is that a transfer has begun.
	Started Kind = iota + 1
	// Finished is that a download, or the ranges that were asked for, went to
	// the network, or that an upload has been committed.
	Finished
	// Failed is that a transfer ended before its end, or could not begin; see
	// Err. An upload has been discarded.
	Failed
	// Refused is that a CPE knows the URL but not the password.
	Refused
	// Closed is the last Event of a job, after the last of its transfers. Err
	// is nil if it was used as often as it may be, else ErrExpired,
	// ErrWithdrawn or ErrShutdown.
	Closed
)

// String names k.
func (k Kind) String() string {
	switch k {
	case Started:
		return "started"
	case Finished:
		return "finished"
	case Failed:
		return "failed"
	case Refused:
		return "refused"
	case Closed:
		return "closed"
	default:
		return "unknown"
	}
}

// Event is something that happened to a job.
type Event struct {
	Kind  Kind
	Token string // that of the Ticket
	// Remote is where the CPE is seen; zero for Closed.
	Remote netip.AddrPort
	// Method is that of HTTP.
	Method string
	// Bytes of the content that this transfer has moved so far.
	Bytes int64
	// Whole, of a Finished one: the CPE has now been sent every byte of a
	// download, in one piece or in several; true for an upload. What the network
	// took may still be on its way.
	Whole bool
	// Took is the time since Started.
	Took time.Duration
	// Err is why; nil for Started and Finished.
	Err error
}

// Status is where a job stands.
type Status struct {
	// Active is the number of its transfers that are going on.
	Active int
	// Bytes of the content that were moved, in all transfers together.
	Bytes int64
	// Whole is how often the whole content was moved.
	Whole int
	// Last is when something was moved last; zero: never.
	Last time.Time
}
