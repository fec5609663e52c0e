// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package proxied

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// talk is one Request of a Controller on its way through the Virtual Agents.
type talk struct {
	g *Gateway
	q *agent.Question

	requested, paths, bytes int // bounds, see agent.Question.Limits
	asked                   int // how many questions there were
	used                    atomic.Int64
}

func (g *Gateway) newTalk(q *agent.Question) *talk {
	t := &talk{g: g, q: q}
	t.requested, t.paths, t.bytes = q.Limits()
	return t
}

// question is what one Virtual Agent is asked, and then its answer: resp or err.
type question struct {
	mount

	req  *uspmsg.Request
	resp *uspmsg.Response
	err  *uspmsg.Error
}

// ask asks all questions, at most Options.Parallel at a time, and waits for the answers.
// With leave the next Request of anybody may begin once all are asked.
func (t *talk) ask(list []*question, leave bool) {
	free := make(chan struct{}, t.g.opts.Parallel)
	var all sync.WaitGroup
	for _, one := range list {
		free <- struct{}{}
		if t.used.Load() > int64(t.bytes) {
			one.err = t.tooLarge()
			<-free
			continue
		}
		all.Add(1)
		t.asked++
		err := t.g.opts.Agents.Ask(agent.Asked{
			To: one.id, From: t.q.From, Version: t.q.Version, Until: t.q.Until, Request: one.req,
			MsgID: t.q.MsgID + "#" + strconv.Itoa(t.asked),
			Answer: func(body *uspmsg.Body, err error) {
				t.answered(one, body, err)
				<-free
				all.Done()
			},
		})
		if err != nil {
			t.answered(one, nil, err)
			<-free
			all.Done()
		}
	}
	if leave {
		t.q.Leave()
	}
	all.Wait()
}

// answered takes one answer.
func (t *talk) answered(one *question, body *uspmsg.Body, err error) {
	result := "ok"
	switch {
	case err != nil:
		result, one.err = "failed", failure(err)
	case body.GetError() != nil:
		result, one.err = "error", body.GetError()
		one.outMessage(one.err)
	default:
		one.resp = body.GetResponse()
		t.used.Add(int64(proto.Size(one.resp)))
	}
	t.g.metrics.asked.WithLabelValues(result).Inc()
}

// failure is why a Virtual Agent could not be asked, for the Controller: nothing was done.
func failure(err error) *uspmsg.Error {
	code, text := usp.CodeInternalError, "the Virtual Agent of this CPE cannot be had"
	if errors.Is(err, agent.ErrInboxFull) {
		code, text = usp.CodeResourcesExceeded, "the Virtual Agent of this CPE has too many requests in hand"
	}
	return newError(code, text)
}

func newError(code usp.Code, text string) *uspmsg.Error {
	return &uspmsg.Error{ErrCode: uint32(code), ErrMsg: text}
}

func (t *talk) tooLarge() *uspmsg.Error {
	return newError(usp.CodeResourcesExceeded,
		"the answer would be larger than MaxResponse, "+strconv.Itoa(t.bytes)+" bytes: ask for less at once")
}

// fits returns an answer if it is not too large.
func (t *talk) fits(resp *uspmsg.Response) (*uspmsg.Response, *uspmsg.Error) {
	if proto.Size(resp) > t.bytes {
		return nil, t.tooLarge()
	}
	return resp, nil
}

// tooMany refuses what names more paths or objects than it may.
func (t *talk) tooMany(n int) *uspmsg.Error {
	if n <= t.requested {
		return nil
	}
	return newError(usp.CodeResourcesExceeded,
		"more than Requested, "+strconv.Itoa(t.requested)+" paths or objects in one request")
}
