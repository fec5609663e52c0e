// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"sync"
	"time"
)

// Bounds of news.
const (
	// MaxNewsBytes is the largest item, or question.
	MaxNewsBytes = 8 << 10

	newsMessage = 64 << 10              // one message has items up to here
	newsPause   = 20 * time.Millisecond // in which items come together
	maxAsked    = 256                   // questions of others that are answered at a time
)

// news is what nodes tell each other that may get lost: nobody waits for it, and
// nothing breaks without it.
type news struct {
	n *Node

	mu      sync.Mutex
	hearers map[string]func([]byte)
	answers map[string]func(context.Context, []byte) []byte
	waiting []newsItem
	bell    chan struct{}

	asked chan struct{} // those that are being answered
}

type newsItem struct {
	topic string
	data  []byte
}

func (w *news) init(n *Node) {
	w.n = n
	w.hearers = make(map[string]func([]byte))
	w.answers = make(map[string]func(context.Context, []byte) []byte)
	w.bell = make(chan struct{}, 1)
	w.asked = make(chan struct{}, maxAsked)
}

// Hear has f called with what other nodes Tell of a topic from now on. f is called
// by one goroutine at a time, must not block, and may keep data.
func (n *Node) Hear(topic string, f func(data []byte)) {
	n.news.mu.Lock()
	defer n.news.mu.Unlock()
	n.news.hearers[topic] = f
}

// Tell tells all other nodes that live, some milliseconds later and together with
// what else there is then. It never blocks. What is told gets lost where a node is
// not reached, where more than Options.MaxNews wait, and if data has more than
// MaxNewsBytes; order is kept. data must not change any more.
func (n *Node) Tell(topic string, data []byte) {
	w := &n.news
	w.mu.Lock()
	full := len(w.waiting) >= n.o.MaxNews || len(data) > MaxNewsBytes
	if !full {
		w.waiting = append(w.waiting, newsItem{topic, data})
	}
	w.mu.Unlock()
	if full {
		n.met.news(topic, "dropped")
		return
	}
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

// run tells until ctx ends.
func (w *news) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.bell:
			w.flush()
			pause(ctx, newsPause)
		}
	}
}

// flush sends what waits.
func (w *news) flush() {
	w.mu.Lock()
	items := w.waiting
	w.waiting = nil
	w.mu.Unlock()
	limit := min(newsMessage, w.n.o.Bus.MaxPayload())
	var message []byte
	from := 0
	for n, i := range items {
		if len(message) > 0 && len(message)+len(i.topic)+len(i.data)+8 > limit {
			w.send(message, items[from:n])
			message, from = nil, n
		}
		message = appendString(appendString(message, i.topic), i.data)
	}
	if from < len(items) {
		w.send(message, items[from:])
	}
}

// send sends one message, which has items, to everybody else.
func (w *news) send(message []byte, items []newsItem) {
	count := func(result string) {
		for _, i := range items {
			w.n.met.news(i.topic, result)
		}
	}
	if w.n.alive() == nil {
		count("lost")
		return
	}
	for name, m := range w.n.living() {
		if name == w.n.o.Name {
			continue
		}
		done := func(_ []byte, err error) {
			if err != nil {
				count("lost")
			} else {
				count("told")
			}
		}
		err := w.n.o.Bus.Send(address(name, m.epoch), serviceNews, message, w.n.o.messageTimeout(), done)
		if err != nil {
			done(nil, err)
		}
	}
}

// heard is the service.
func (w *news) heard(message []byte, reply func([]byte)) {
	reply([]byte{answerOK})
	items, ok := parseNews(message)
	if !ok {
		return
	}
	for _, i := range items {
		w.mu.Lock()
		f := w.hearers[i.topic]
		w.mu.Unlock()
		if f == nil {
			w.n.met.news("other", "heard")
			continue
		}
		f(i.data)
		w.n.met.news(i.topic, "heard")
	}
}

// parseNews returns the items of a message, as views into it.
func parseNews(b []byte) ([]newsItem, bool) {
	var items []newsItem
	for d := (reader{b: b}); len(d.b) > 0; {
		i := newsItem{d.string(), d.bytes()}
		if d.bad {
			return nil, false
		}
		items = append(items, i)
	}
	return items, true
}

// Answer has f called with what other nodes Ask of a topic from now on. f is called
// by several goroutines at a time and may block until ctx ends; nil is no answer.
func (n *Node) Answer(topic string, f func(ctx context.Context, data []byte) []byte) {
	n.news.mu.Lock()
	defer n.news.mu.Unlock()
	n.news.answers[topic] = f
}

// Ask asks all other nodes that live, and returns the answers of those that have
// one by the end of ctx, which has to have one; their order means nothing.
func (n *Node) Ask(ctx context.Context, topic string, data []byte) [][]byte {
	if n.alive() == nil || len(data) > MaxNewsBytes {
		return nil
	}
	message := append(appendString(nil, topic), data...)
	var mu sync.Mutex
	var answers [][]byte
	var group sync.WaitGroup
	for name, m := range n.living() {
		if name == n.o.Name {
			continue
		}
		group.Go(func() {
			reply, err := n.o.Bus.Request(ctx, address(name, m.epoch), serviceAsk, message)
			if err != nil || len(reply) == 0 || reply[0] != answerOK {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, reply[1:])
		})
	}
	group.Wait()
	return answers
}

// answerTime is how long the answer to a question may take.
const answerTime = 10 * time.Second

// ask is the service: each question is answered by a goroutine of its own.
func (w *news) ask(message []byte, reply func([]byte)) {
	if !w.begin(message, reply) {
		reply([]byte{answerNo})
	}
}

func (w *news) begin(message []byte, reply func([]byte)) bool {
	d := reader{b: message}
	topic := d.string()
	w.mu.Lock()
	f := w.answers[topic]
	w.mu.Unlock()
	l := w.n.alive()
	if d.bad || f == nil || l == nil {
		return false
	}
	select {
	case w.asked <- struct{}{}:
	default:
		return false
	}
	begun := w.n.spawn(func() {
		defer func() { <-w.asked }()
		ctx, cancel := context.WithTimeout(l.ctx, answerTime)
		defer cancel()
		if answer := f(ctx, d.b); answer != nil {
			reply(append([]byte{answerOK}, answer...))
		} else {
			reply([]byte{answerNo})
		}
	})
	if !begun {
		<-w.asked
	}
	return begun
}
