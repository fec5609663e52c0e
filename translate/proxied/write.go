// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package proxied

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// A write is a Set, an Add or a Delete, which have much in common: each names objects, and
// has one result or more for each of them.
//
// Deviation: what is to be done wholly or not at all is done in one CPE, or refused with
// 7002: CWMP knows no transaction over several CPE, and what has been written to one is
// acted on before the next has refused. So a Set, Add or Delete with allow_partial=false may
// be about one CPE, or the gateway's own tree, alone. With allow_partial=true a path that
// means several CPE is taken as one path for each, whose result names the path of that CPE.
type write[R proto.Message] struct {
	partial bool
	objects []string // the paths that it names
	// part makes the same Request about some of the objects, whose paths are rewritten for
	// one CPE; own is the part about the gateway's own tree.
	part func(of []int, paths []string) *uspmsg.Request
	// results takes the results out of an answer; failed makes one of an Error.
	results func(*uspmsg.Response) []R
	failed  func(p string, e *uspmsg.Error) R
	// rename gives a result another requested_path.
	rename func(r R, p string)
	// requested returns the requested_path of a result.
	requested func(r R) string
}

// part is what one CPE, or the own tree, is to do of a write.
type part[R proto.Message] struct {
	*question // nil: the own tree

	of      []int    // the objects, by number
	paths   []string // and their paths there
	results [][]R    // by place in of
}

// serve does a write, with answer to make the answer of all results.
func (w *write[R]) serve(ctx context.Context, t *talk, answer func([]R) *uspmsg.Response,
) (*uspmsg.Response, *uspmsg.Error) {
	targets := make([]target, len(w.objects))
	var parts []*part[R]
	byNumber := make(map[uint32]*part[R])
	take := func(n uint32, m *mount, i int, p string) {
		one := byNumber[n]
		if one == nil {
			one = &part[R]{}
			if m != nil {
				one.question = &question{mount: *m}
			}
			byNumber[n] = one
			parts = append(parts, one)
		}
		one.of, one.paths = append(one.of, i), append(one.paths, p)
	}
	for i, text := range w.objects {
		to := &targets[i]
		if *to = t.target(ctx, text); to.err != nil && !w.partial {
			return nil, pathError(text, to.err)
		}
		if to.own {
			take(0, nil, i, text)
		}
		for _, m := range to.mounts {
			take(m.number, &m, i, to.inside(m))
		}
	}
	if !w.partial && len(parts) > 1 {
		return nil, newError(usp.CodeRequestDenied,
			"with allow_partial=false a request may be about one CPE alone: ask for one at a time, or set allow_partial")
	}
	if fail := w.do(ctx, t, parts); fail != nil {
		return nil, fail
	}
	var all []R
	for i, text := range w.objects {
		all = append(all, w.of(i, text, &targets[i], parts)...)
	}
	return t.fits(answer(all))
}

// pathError is the Error about one path.
func pathError(p string, err *usp.Error) *uspmsg.Error {
	return &uspmsg.Error{
		ErrCode: uint32(err.Code), ErrMsg: p + ": " + err.Text,
		ParamErrs: []*uspmsg.Error_ParamError{{ParamPath: p, ErrCode: uint32(err.Code), ErrMsg: err.Text}},
	}
}

// do has each part be done. The Error is that of a write that is wholly done or not at all.
func (w *write[R]) do(ctx context.Context, t *talk, parts []*part[R]) *uspmsg.Error {
	var questions []*question
	for _, one := range parts {
		if one.question == nil {
			resp, fail := t.q.Own(ctx, w.part(one.of, one.paths))
			if fail != nil && !w.partial {
				return fail
			}
			w.sort(one, resp, fail)
			continue
		}
		one.req = w.part(one.of, one.paths)
		one.inMessage(one.req)
		questions = append(questions, one.question)
	}
	if len(questions) > 0 {
		if err := t.q.OnWire(); err != nil {
			return newError(usp.CodeInternalError, "the journal is not available")
		}
	}
	t.ask(questions, true)
	for _, one := range parts {
		if one.question == nil {
			continue
		}
		if one.err != nil && !w.partial {
			return one.err
		}
		if one.resp != nil {
			for _, r := range w.results(one.resp) {
				one.outMessage(r)
			}
		}
		w.sort(one, one.resp, one.err)
	}
	return nil
}

// sort sorts the results of a part by its objects: those of a search follow each other.
func (w *write[R]) sort(one *part[R], resp *uspmsg.Response, fail *uspmsg.Error) {
	one.results = make([][]R, len(one.of))
	if fail != nil {
		for k, p := range one.paths {
			if one.question != nil {
				p = one.row + p[len(root):]
			}
			one.results[k] = []R{w.failed(p, fail)}
		}
		return
	}
	list := w.results(resp)
	for k := range one.of {
		left := len(one.of) - k - 1 // each has one at least
		for i := 0; len(list) > left && (i == 0 || w.requested(list[0]) == w.requested(one.results[k][0])); i++ {
			one.results[k] = append(one.results[k], list[0])
			list = list[1:]
		}
	}
}

// of returns the results of an object.
func (w *write[R]) of(i int, text string, to *target, parts []*part[R]) []R {
	if to.err != nil {
		return []R{w.failed(text, newError(to.err.Code, to.err.Text))}
	}
	var all []R
	for _, one := range parts {
		for k, at := range one.of {
			if at != i {
				continue
			}
			p := text
			if one.question != nil && !to.one {
				p = to.text(one.mount)
			}
			for _, r := range one.results[k] {
				w.rename(r, p)
				all = append(all, r)
			}
		}
	}
	return all
}
