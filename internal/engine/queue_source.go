// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The streams of a Queue, each of one subject, which has its name.
const (
	logStream = "BUF"
	logMarks  = "MARK"
)

// errLost: the message is not in the store, or is not what was put there.
var errLost = errors.New("engine: not in the store")

// at returns the bytes at a place of the log. errLost means that they are not
// there; any other error that it can not be told now. What it has read may be from
// before: batches.forget has it read anew.
func (q *Queue) at(ctx context.Context, at place) ([]byte, error) {
	b, err := q.batches.get(ctx, at.msg)
	if err != nil {
		return nil, err
	}
	if uint64(at.off)+uint64(at.size) > uint64(len(b)) {
		return nil, errLost
	}
	item := b[at.off : at.off+at.size]
	if len(b) > 2*len(item) {
		item = bytes.Clone(item) // a Record that waits does not keep its batch alive
	}
	return item, nil
}

// logged gets one message of the log. What a direct get does not find the API is
// asked for before it counts as lost.
func (e *Engine) logged(ctx context.Context, seq uint64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, e.o.answerWait)
	defer cancel()
	m, err := e.conn.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+logStream,
		[]byte(`{"seq":`+strconv.FormatUint(seq, 10)+`}`))
	if err != nil {
		return nil, err
	}
	if m.Header.Get("Status") == "" {
		return m.Data, nil
	}
	m, err = e.conn.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+logStream,
		[]byte(`{"seq":`+strconv.FormatUint(seq, 10)+`}`))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Data []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return nil, err
	}
	if answer.Error != nil {
		if answer.Error.Code == 404 || answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return nil, errLost
		}
		return nil, answer.Error
	}
	return answer.Message.Data, nil
}

// Bounds of one request for messages.
const (
	getRecords = 1000
	getBytes   = 4 << 20
)

// messages calls f with those of stream, from the sequence from up to and with to,
// 0 being the end of the stream, in order.
func (e *Engine) messages(ctx context.Context, stream string, from, to uint64, f func(seq uint64, b []byte)) error {
	return e.eachMessage(ctx, stream, from, to, func(seq uint64, m *nats.Msg) error {
		f(seq, m.Data)
		return nil
	})
}

// eachMessage is messages with all that a direct get says of them; it ends with an
// error of f.
func (e *Engine) eachMessage(
	ctx context.Context, stream string, from, to uint64, f func(seq uint64, m *nats.Msg) error,
) error {
	lost := 0
	for from = max(from, 1); to == 0 || from <= to; {
		next, more, err := e.someMessages(ctx, stream, from, to, f)
		switch {
		case errors.Is(err, errNoAnswer) && lost < answerTries: // the rest went with a connection that was lost
			lost++
		case err != nil || !more:
			return err
		}
		if next > from {
			lost = 0
		}
		from = next
	}
	return nil
}

const (
	answerWait  = 10 * time.Second // for the next message of an answer
	answerTries = 3                // without one
)

var errNoAnswer = errors.New("engine: the store does not answer")

// someMessages calls f with as many as one request gives, and returns the sequence
// behind them.
func (e *Engine) someMessages(
	ctx context.Context, stream string, from, to uint64, f func(uint64, *nats.Msg) error,
) (next uint64, more bool, err error) {
	inbox := e.conn.NewInbox()
	sub, err := e.conn.SubscribeSync(inbox)
	if err != nil {
		return from, false, err
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection is closed at worst
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return from, false, err
	}
	b, err := json.Marshal(map[string]any{"seq": from, "batch": getRecords, "max_bytes": getBytes})
	if err != nil {
		return from, false, err
	}
	if err := e.conn.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, b); err != nil {
		return from, false, err
	}
	more, err = e.receive(ctx, sub, func(seq uint64, m *nats.Msg) error {
		next = seq + 1
		if to != 0 && seq > to {
			return nil
		}
		return f(seq, m)
	})
	return max(next, from), more && next > 0, err
}

// receive takes the answer to one request, and reports whether there is more.
func (e *Engine) receive(
	ctx context.Context, sub *nats.Subscription, f func(seq uint64, m *nats.Msg) error,
) (more bool, err error) {
	wait, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(e.o.answerWait, func() { cancel(errNoAnswer) })
	defer late.Stop()
	var before uint64
	for {
		late.Reset(e.o.answerWait)
		m, err := sub.NextMsgWithContext(wait)
		if err != nil {
			return false, errors.Join(err, context.Cause(wait))
		}
		switch status := m.Header.Get("Status"); status {
		case "", "204":
		case "404":
			return false, nil
		default:
			return false, fmt.Errorf("engine: reading a stream: %s %s", status, m.Header.Get("Description"))
		}
		behind, err := number(m, "Nats-Last-Sequence")
		if err != nil || behind != before {
			return false, errors.Join(err, errNoAnswer) // those between went with a connection that was lost
		}
		if m.Header.Get("Status") != "" {
			pending, err := number(m, "Nats-Num-Pending")
			return pending > 0, err
		}
		if before, err = number(m, "Nats-Sequence"); err != nil {
			return false, err
		}
		if err := f(before, m); err != nil {
			return false, err
		}
	}
}

// number is a header of a direct get.
func number(m *nats.Msg, header string) (uint64, error) {
	return strconv.ParseUint(m.Header.Get(header), 10, 64)
}
