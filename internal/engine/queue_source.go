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

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// source is where the messages of a BUF stream are read.
type source interface {
	// each calls f with every message of stream, in order.
	each(ctx context.Context, stream string, f func(seq uint64, b []byte)) error
	// read returns size bytes at off of a message. errLost means that they are not
	// there; any other error that it can not be told now. What it has read may be
	// from before: forget has it read anew.
	read(ctx context.Context, stream string, at place) ([]byte, error)
	forget(stream string, msg uint64)
	// purgeable is the message up to which, without it, stream is rid of cheaply
	// where nothing before seq is needed.
	purgeable(stream string, seq uint64) uint64
	close()
}

// errLost: the message is not in the store, or is not what was put there.
var errLost = errors.New("engine: not in the store")

// apiSource reads through JetStream.
type apiSource struct {
	e       *Engine
	batches *batches
}

func (s *apiSource) each(ctx context.Context, stream string, f func(uint64, []byte)) error {
	return s.e.messages(ctx, stream, "", 1, 0, f)
}

func (s *apiSource) read(ctx context.Context, stream string, at place) ([]byte, error) {
	b, err := s.batches.get(ctx, stream, at.msg)
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

func (s *apiSource) forget(stream string, msg uint64) { s.batches.forget(stream, msg) }

func (s *apiSource) purgeable(_ string, seq uint64) uint64 { return seq }
func (s *apiSource) close()                                {}

// message gets one message of a stream. Who answers may be a replica that lags:
// what it has not, the leader is asked for.
func (e *Engine) message(ctx context.Context, stream string, seq uint64) ([]byte, error) {
	m, err := e.conn.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+stream,
		[]byte(`{"seq":`+strconv.FormatUint(seq, 10)+`}`))
	if err != nil {
		return nil, err
	}
	if m.Header.Get("Status") == "" {
		return m.Data, nil
	}
	m, err = e.conn.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream,
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

// messages calls f with those of stream, on subject unless that is empty, from
// the sequence from up to and with to, 0 being the end of the stream, in order.
func (e *Engine) messages(ctx context.Context, stream, subject string, from, to uint64,
	f func(seq uint64, b []byte),
) error {
	inbox := e.conn.NewInbox()
	sub, err := e.conn.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection is closed at worst
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return err
	}
	for from = max(from, 1); to == 0 || from <= to; {
		req := map[string]any{"seq": from, "batch": getRecords, "max_bytes": getBytes}
		if subject != "" {
			req["next_by_subj"] = subject
		}
		b, err := json.Marshal(req)
		if err != nil {
			return err
		}
		if err := e.conn.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, b); err != nil {
			return err
		}
		last, more, err := receive(ctx, sub, to, f)
		if err != nil || !more {
			return err
		}
		from = last + 1
	}
	return nil
}

// receive takes the answer to one request, and reports whether there is more.
func receive(ctx context.Context, sub *nats.Subscription, to uint64, f func(uint64, []byte)) (uint64, bool, error) {
	var last uint64
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return 0, false, err
		}
		switch status := m.Header.Get("Status"); status {
		case "":
		case "204":
			pending, err := strconv.ParseUint(m.Header.Get("Nats-Num-Pending"), 10, 64)
			return last, pending > 0 && last > 0, err
		case "404":
			return 0, false, nil
		default:
			return 0, false, fmt.Errorf("engine: reading a stream: %s %s", status, m.Header.Get("Description"))
		}
		if last, err = strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64); err != nil {
			return 0, false, err
		}
		if to == 0 || last <= to {
			f(last, m.Data)
		}
	}
}
