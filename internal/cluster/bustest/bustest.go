// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package bustest is what every cluster.Bus has to do.
package bustest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/cluster"
)

// within bounds everything that has to happen.
const within = 20 * time.Second

// Run checks a Bus. open returns what opens one that is connected to all others
// that it has opened; it ends them with the test. They may be connected to those of
// other tests as well.
func Run(t *testing.T, open func(t *testing.T) func() cluster.Bus) {
	t.Helper()
	for name, check := range map[string]func(*testing.T, func() cluster.Bus){
		"Reply":           reply,
		"NoNode":          noNode,
		"OddNames":        oddNames,
		"Order":           order,
		"DeferredReplies": deferred,
		"NoReply":         noReply,
		"TooLarge":        tooLarge,
		"Stop":            stop,
		"ServedOnce":      servedOnce,
		"DataIsCopied":    copied,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			another := open(t)
			check(t, func() cluster.Bus { return apart{another(), name + "/"} })
		})
	}
}

// apart is a Bus whose nodes are not those of other tests.
type apart struct {
	cluster.Bus

	prefix string
}

func (a apart) Request(ctx context.Context, node, service string, data []byte) ([]byte, error) {
	return a.Bus.Request(ctx, a.prefix+node, service, data) //nolint:wrapcheck // as it is
}

func (a apart) Send(node, service string, data []byte, timeout time.Duration, done func([]byte, error)) error {
	return a.Bus.Send(a.prefix+node, service, data, timeout, done) //nolint:wrapcheck // as it is
}

func (a apart) Serve(node, service string, h cluster.BusHandler) (func(), error) {
	return a.Bus.Serve(a.prefix+node, service, h) //nolint:wrapcheck // as it is
}

func serve(t *testing.T, b cluster.Bus, node, service string, h cluster.BusHandler) func() {
	t.Helper()
	stop, err := b.Serve(node, service, h)
	if err != nil {
		t.Fatalf("Serve: got %v, want nil", err)
	}
	t.Cleanup(stop)
	return stop
}

func request(t *testing.T, b cluster.Bus, node, service string, data []byte) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return b.Request(ctx, node, service, data)
}

// echo prefixes what it gets with its name.
func echo(name string) cluster.BusHandler {
	return func(data []byte, reply func([]byte)) { reply(append([]byte(name+":"), data...)) }
}

func reply(t *testing.T, open func() cluster.Bus) {
	t.Helper()
	a, b := open(), open()
	serve(t, a, "a", "records", echo("a"))
	serve(t, b, "b", "records", echo("b"))
	serve(t, b, "b", "claims", echo("claims of b"))
	for _, c := range []struct{ node, service, want string }{
		{"a", "records", "a:x"}, {"b", "records", "b:x"}, {"b", "claims", "claims of b:x"},
	} {
		for _, from := range []cluster.Bus{a, b} {
			got, err := request(t, from, c.node, c.service, []byte("x"))
			if err != nil || string(got) != c.want {
				t.Errorf("%s at %s: got %q, %v, want %q", c.service, c.node, got, err, c.want)
			}
		}
	}
	if got, err := request(t, a, "b", "records", nil); err != nil || string(got) != "b:" {
		t.Errorf("no data: got %q, %v, want %q", got, err, "b:")
	}
}

func noNode(t *testing.T, open func() cluster.Bus) {
	t.Helper()
	a, b := open(), open()
	serve(t, b, "b", "records", echo("b"))
	for _, c := range [][2]string{{"c", "records"}, {"b", "claims"}} {
		begin := time.Now()
		if _, err := request(t, a, c[0], c[1], []byte("x")); !errors.Is(err, cluster.ErrNoNode) {
			t.Errorf("%s at %s: got %v, want ErrNoNode", c[1], c[0], err)
		}
		if took := time.Since(begin); took > within/4 {
			t.Errorf("%s at %s: told after %v, want at once", c[1], c[0], took)
		}
		done := make(chan error, 1)
		if err := a.Send(c[0], c[1], nil, within, func(_ []byte, err error) { done <- err }); err != nil {
			t.Fatalf("Send: got %v, want nil", err)
		}
		if err := <-done; !errors.Is(err, cluster.ErrNoNode) {
			t.Errorf("Send of %s at %s: got %v, want ErrNoNode", c[1], c[0], err)
		}
	}
}

func oddNames(t *testing.T, open func() cluster.Bus) {
	t.Helper()
	a, b := open(), open()
	for i, node := range []string{
		"node.with.dots", "node", "*", ">", "a b", "größe", string(bytes.Repeat([]byte("n"), 240)), "x\x00y",
	} {
		want := fmt.Sprintf("%d:", i)
		serve(t, b, node, "records", echo(strconv.Itoa(i)))
		if got, err := request(t, a, node, "records", nil); err != nil || string(got) != want {
			t.Errorf("node %q: got %q, %v, want %q", node, got, err, want)
		}
	}
}

func order(t *testing.T, open func() cluster.Bus) {
	t.Helper()
	const each, senders = 2000, 3
	to := open()
	var mu sync.Mutex
	last := map[uint32]uint32{}
	serve(t, to, "to", "records", func(data []byte, reply func([]byte)) {
		who, n := binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:])
		mu.Lock()
		if n != last[who]+1 {
			t.Errorf("sender %d: got %d after %d, want one more", who, n, last[who])
		}
		last[who] = n
		mu.Unlock()
		reply(data)
	})
	var all sync.WaitGroup
	for who := range uint32(senders) {
		from := open()
		all.Go(func() {
			room := make(chan struct{}, 256)
			for n := range uint32(each) {
				data := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, who), n+1)
				room <- struct{}{}
				all.Add(1)
				err := from.Send("to", "records", data, within, func(got []byte, err error) {
					if err != nil || !bytes.Equal(got, data) {
						t.Errorf("reply: got %x, %v, want %x", got, err, data)
					}
					<-room
					all.Done()
				})
				if err != nil {
					t.Errorf("Send: got %v, want nil", err)
					all.Done()
					return
				}
			}
		})
	}
	all.Wait()
	for who := range uint32(senders) {
		if last[who] != each {
			t.Errorf("sender %d: handled up to %d, want %d", who, last[who], each)
		}
	}
}

// deferred: a handler that has not replied yet holds up nobody.
func deferred(t *testing.T, open func() cluster.Bus) {
	t.Helper()
	const n = 100
	a, b := open(), open()
	var mu sync.Mutex
	var replies []func()
	serve(t, b, "b", "records", func(data []byte, reply func([]byte)) {
		mu.Lock()
		replies = append(replies, func() { reply(data) })
		all := len(replies) == n
		mu.Unlock()
		if all {
			go func() {
				for i := range replies {
					replies[n-1-i]()
				}
			}()
		}
	})
	got := make(chan byte, n)
	for i := range n {
		err := a.Send("b", "records", []byte{byte(i)}, within, func(reply []byte, err error) {
			if err != nil || len(reply) != 1 {
				t.Errorf("got %x, %v, want the data back", reply, err)
			}
			got <- byte(i)
		})
		if err != nil {
			t.Fatalf("Send: got %v, want nil", err)
		}
	}
	seen := map[byte]bool{}
	for range n {
		seen[<-got] = true
	}
	if len(seen) != n {
		t.Errorf("got %d different replies, want %d", len(seen), n)
	}
}

func noReply(t *testing.T, open func() cluster.Bus) {
	t.Helper()
	a, b := open(), open()
	late := make(chan func([]byte), 2)
	serve(t, b, "b", "records", func(_ []byte, reply func([]byte)) { late <- reply })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.Request(ctx, "b", "records", nil); !errors.Is(err, cluster.ErrNoReply) {
		t.Errorf("Request: got %v, want ErrNoReply", err)
	}
	var calls atomic.Int32
	done := make(chan error, 2)
	err := a.Send("b", "records", nil, 50*time.Millisecond, func(_ []byte, err error) {
		calls.Add(1)
		done <- err
	})
	if err != nil {
		t.Fatalf("Send: got %v, want nil", err)
	}
	if err := <-done; !errors.Is(err, cluster.ErrNoReply) {
		t.Errorf("Send: got %v, want ErrNoReply", err)
	}
	(<-late)([]byte("too late"))
	(<-late)([]byte("too late"))
	serve(t, b, "b", "echo", echo("b"))
	if _, err := request(t, a, "b", "echo", nil); err != nil { // whatever came late has come by now
		t.Errorf("Request: got %v, want nil", err)
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("done was called %d times, want 1", n)
	}
}

func tooLarge(t *testing.T, open func() cluster.Bus) {
	t.Helper()
	a, b := open(), open()
	serve(t, b, "b", "records", func(data []byte, reply func([]byte)) { reply(data) })
	limit := a.MaxPayload()
	big := bytes.Repeat([]byte("x"), limit)
	if got, err := request(t, a, "b", "records", big); err != nil || len(got) != limit {
		t.Errorf("%d bytes: got %d, %v, want them back", limit, len(got), err)
	}
	big = append(big, 'x')
	if _, err := request(t, a, "b", "records", big); !errors.Is(err, cluster.ErrBusTooLarge) {
		t.Errorf("one byte more: got %v, want ErrBusTooLarge", err)
	}
	if err := a.Send("b", "records", big, within, nil); !errors.Is(err, cluster.ErrBusTooLarge) {
		t.Errorf("Send of one byte more: got %v, want ErrBusTooLarge", err)
	}
}

func stop(t *testing.T, open func() cluster.Bus) {
	t.Helper()
	a, b := open(), open()
	end := serve(t, b, "b", "records", echo("b"))
	if _, err := request(t, a, "b", "records", nil); err != nil {
		t.Fatalf("before: got %v, want nil", err)
	}
	end()
	if _, err := request(t, a, "b", "records", nil); !errors.Is(err, cluster.ErrNoNode) {
		t.Errorf("after stop: got %v, want ErrNoNode", err)
	}
	serve(t, b, "b", "records", echo("again"))
	if got, err := request(t, a, "b", "records", nil); err != nil || string(got) != "again:" {
		t.Errorf("served again: got %q, %v, want %q", got, err, "again:")
	}
}

func servedOnce(t *testing.T, open func() cluster.Bus) {
	t.Helper()
	b := open()
	serve(t, b, "b", "records", echo("b"))
	if stop, err := b.Serve("b", "records", echo("b")); err == nil {
		stop()
		t.Error("Serve of what is served: got nil, want an error")
	}
}

func copied(t *testing.T, open func() cluster.Bus) {
	t.Helper()
	a, b := open(), open()
	got := make(chan []byte, 2)
	serve(t, b, "b", "records", func(data []byte, reply func([]byte)) {
		got <- data
		answer := []byte("fine")
		reply(answer)
		copy(answer, "XXXX")
	})
	replies := make(chan []byte, 2)
	data := []byte("data")
	for range 2 {
		copy(data, "data")
		err := a.Send("b", "records", data, within, func(reply []byte, _ error) { replies <- reply })
		if err != nil {
			t.Fatalf("Send: got %v, want nil", err)
		}
		copy(data, "XXXX")
	}
	for range 2 {
		if d := <-got; string(d) != "data" {
			t.Errorf("the handler got %q, want %q", d, "data")
		}
		if r := <-replies; string(r) != "fine" {
			t.Errorf("the reply is %q, want %q", r, "fine")
		}
	}
}
