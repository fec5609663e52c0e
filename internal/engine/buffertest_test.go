// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/internal/engine/enginetest"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/routing/buffer/buffertest"
)

func TestQueue(t *testing.T) {
	t.Parallel()
	reopen := func(t *testing.T, q buffer.Queue) buffer.Queue {
		t.Helper()
		was := q.(*opened)
		was.close()
		return open(t, was.dir, was.o)
	}
	crash := func(t *testing.T, q buffer.Queue) buffer.Queue {
		t.Helper()
		was := q.(*opened)
		return open(t, crashImage(t, was.dir), was.o)
	}
	lose := func(t *testing.T, q buffer.Queue, it buffer.Item) buffer.Queue {
		t.Helper()
		was := q.(*opened)
		loseMessage(t, was.e, engine.LogStream, was.Message(it.Lane, it.Seq))
		return was
	}
	buffertest.Run(t, buffertest.Suite{
		New: func(t *testing.T, l buffertest.Limits) buffer.Queue {
			t.Helper()
			return open(t, t.TempDir(), options(l))
		},
		Reopen: reopen,
		Crash:  crash,
		Damages: map[string]func(*testing.T, buffer.Queue, buffer.Item) buffer.Queue{
			"Lost": lose,
			"LostBeforeReopen": func(t *testing.T, q buffer.Queue, it buffer.Item) buffer.Queue {
				t.Helper()
				return reopen(t, lose(t, q, it))
			},
			"LostBeforeCrash": func(t *testing.T, q buffer.Queue, it buffer.Item) buffer.Queue {
				t.Helper()
				return crash(t, lose(t, q, it))
			},
			"AlteredBeforeReopen": func(t *testing.T, q buffer.Queue, it buffer.Item) buffer.Queue {
				t.Helper()
				was := q.(*opened)
				was.close()
				alter(t, was.dir, it.Record.Bytes())
				return open(t, was.dir, was.o)
			},
			"AlteredBeforeCrash": func(t *testing.T, q buffer.Queue, it buffer.Item) buffer.Queue {
				t.Helper()
				was := q.(*opened)
				dir := crashImage(t, was.dir)
				alter(t, dir, it.Record.Bytes())
				return open(t, dir, was.o)
			},
		},
	})
}

// crashImage copies a store that is in use: a SIGKILL would leave such files. What is
// stored meanwhile is in the log if it is in the marks, as these are copied first.
func crashImage(t *testing.T, dir string) string {
	t.Helper()
	image := t.TempDir()
	last := filepath.Join("streams", engine.LogStream) + string(filepath.Separator)
	for _, late := range []bool{false, true} {
		err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil // it has gone meanwhile
			}
			if err != nil || entry.IsDir() || bytes.Contains([]byte(name), []byte(last)) != late {
				return err
			}
			b, err := os.ReadFile(name)
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil {
				return err
			}
			inside, err := filepath.Rel(dir, name)
			if err != nil {
				return err
			}
			to := filepath.Join(image, inside)
			if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
				return err
			}
			return os.WriteFile(to, b, 0o600)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return image
}

// loseMessage has a stream lose a message.
func loseMessage(t *testing.T, e *engine.Engine, stream string, seq uint64) {
	t.Helper()
	if seq == 0 {
		t.Fatal("the item does not wait")
	}
	s, err := e.JetStream().Stream(t.Context(), stream)
	if err == nil {
		err = s.SecureDeleteMsg(t.Context(), seq)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// alter changes one bit of a Record in the files of a store that is not in use.
func alter(t *testing.T, dir string, record []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", engine.LogStream, "msgs", "*.blk"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.Index(b, record); i >= 0 {
			b[i+len(record)-1] ^= 0x10
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("the Record is in none of %q", files)
}

// node is a SharedQueue with the engine of its own that a node has.
type node struct {
	*engine.SharedQueue
	e    *engine.Engine
	nats *enginetest.Cluster
	o    engine.SharedOptions
}

func openNode(t *testing.T, nats *enginetest.Cluster, o engine.SharedOptions) *node {
	t.Helper()
	e, err := engine.Open(context.Background(), engine.Options{URL: nats.URL()})
	if err != nil {
		t.Fatal(err)
	}
	q, err := e.SharedQueue(context.Background(), o)
	if err != nil {
		e.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		q.Close()
		e.Close()
	})
	return &node{q, e, nats, o}
}

func TestSharedQueueOnACluster(t *testing.T) {
	t.Parallel()
	reopen := func(t *testing.T, q buffer.Queue) buffer.Queue {
		t.Helper()
		was := q.(*node)
		was.Close()
		was.e.Close()
		return openNode(t, was.nats, was.o)
	}
	crash := func(t *testing.T, q buffer.Queue) buffer.Queue {
		t.Helper()
		was := q.(*node)
		was.e.Cut()
		return openNode(t, was.nats, was.o)
	}
	lose := func(t *testing.T, q buffer.Queue, it buffer.Item) buffer.Queue {
		t.Helper()
		if err := q.(*node).Lose(t.Context(), it.Lane.To, it.Seq); err != nil {
			t.Fatal(err)
		}
		return q
	}
	buffertest.Run(t, buffertest.Suite{
		New: func(t *testing.T, l buffertest.Limits) buffer.Queue {
			t.Helper()
			o := options(l)
			return openNode(t, enginetest.New(t, 1), engine.SharedOptions{
				Limits: o.Limits, Metrics: o.Metrics, CloseWait: 5 * time.Second,
			})
		},
		Reopen: reopen,
		Crash:  crash,
		Damages: map[string]func(*testing.T, buffer.Queue, buffer.Item) buffer.Queue{
			"Lost": lose,
			"LostBeforeReopen": func(t *testing.T, q buffer.Queue, it buffer.Item) buffer.Queue {
				t.Helper()
				return reopen(t, lose(t, q, it))
			},
			"LostBeforeCrash": func(t *testing.T, q buffer.Queue, it buffer.Item) buffer.Queue {
				t.Helper()
				return crash(t, lose(t, q, it))
			},
		},
		Second: func(t *testing.T, q buffer.Queue) buffer.Owned {
			t.Helper()
			was := q.(*node)
			return openNode(t, was.nats, was.o)
		},
	})
}
