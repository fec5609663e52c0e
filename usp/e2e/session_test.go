// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/e2e"
	"github.com/uspgate/uspgate/usp/trace"
	"github.com/uspgate/uspgate/usp/usprecord"
)

var update = flag.Bool("update", false, "rewrite the output of the scripts in testdata")

// TestScripts runs testdata/*.txt. A script is a list of commands, each followed by
// what came of it:
//
//	new> NAME=VALUE …    another Session; see script.option
//	set> NAME=VALUE …    other Settings
//	recv> NAME=VALUE …   a Record of the Controller; see script.record
//	recv> HEX            the same, as bytes
//	send> TEXT           a Message to the Controller; N*x is that many x
//	wait> DURATION       time goes by; what is due is done
//	jump> NEXT EXPECTED  the context is far on
//
//	msg TEXT             a Message for the Agent
//	rec TRACE, hex HEX   a Record to the Controller
//	failure TEXT
//	status STATUS        when it has changed
//
// With -update the output is written anew.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(want))
			switch {
			case *update:
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			case got != string(want):
				t.Errorf("got another transcript than %s has; run with -update and look at the difference\n%s", file, got)
			}
		})
	}
}

type script struct {
	t      *testing.T
	out    strings.Builder
	now    time.Time
	opts   e2e.Options
	set    e2e.Settings
	s      *e2e.Session
	status e2e.Status
}

func runScript(t *testing.T, text string) string {
	t.Helper()
	s := &script{t: t, now: time.Unix(0, 0)}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		verb, rest, isCommand := strings.Cut(line, "> ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			s.out.WriteString(line + "\n")
		case isCommand && !strings.Contains(verb, " "):
			s.out.WriteString(line + "\n")
			s.do(verb, rest)
		}
	}
	return s.out.String()
}

func (s *script) do(verb, rest string) {
	s.t.Helper()
	switch verb {
	case "new":
		id := uint64(4241)
		s.opts = e2e.Options{
			Local: agent, Remote: controller, Random: func() float64 { return 0.5 },
			NewID: func() uint64 { id++; return id },
		}
		s.set, s.status = e2e.Settings{}, e2e.Down
		s.options(rest)
		s.s = e2e.New(s.opts)
		s.s.Configure(s.set)
		return
	case "set":
		s.options(rest)
		s.s.Configure(s.set)
		return
	case "recv":
		s.show(s.s.Receive(s.now, s.record(rest)), nil)
	case "send":
		out, err := s.s.Send(s.now, []byte(message(rest)))
		s.show(out, err)
	case "wait":
		d, err := time.ParseDuration(rest)
		if err != nil {
			s.t.Fatal(err)
		}
		for end := s.now.Add(d); ; {
			next := s.s.Next()
			if next.IsZero() || next.After(end) {
				s.now = end
				break
			}
			s.out.WriteString("after " + next.Sub(s.now).String() + "\n")
			s.now = next
			s.show(s.s.Tick(s.now), nil)
		}
		s.show(e2e.Output{}, nil)
	case "jump":
		var next, expected uint64
		if _, err := fmt.Sscan(rest, &next, &expected); err != nil {
			s.t.Fatal(err)
		}
		s.s.Jump(next, expected)
	default:
		s.t.Fatalf("%s>: unknown", verb)
	}
}

// message is TEXT of send>.
func message(text string) string {
	count, word, ok := strings.Cut(text, "*")
	if n, err := strconv.Atoi(count); ok && err == nil {
		return strings.Repeat(word, n)
	}
	return text
}

func (s *script) show(out e2e.Output, err error) {
	for _, m := range out.Messages {
		text := string(m)
		if len(text) > 40 {
			text = fmt.Sprintf("%s… (%d bytes)", text[:8], len(text))
		}
		s.out.WriteString("msg " + text + "\n")
	}
	if out.Failure != nil {
		s.out.WriteString("failure " + out.Failure.Error() + "\n")
	}
	for _, rec := range out.Records {
		s.out.WriteString("rec " + trace.Record(rec.Bytes()) + "\n")
		text := hex.EncodeToString(rec.Bytes())
		if len(text) > 160 {
			text = fmt.Sprintf("%s… (%d bytes)", text[:120], rec.Len())
		}
		s.out.WriteString("hex " + text + "\n")
	}
	if err != nil {
		s.out.WriteString("error " + err.Error() + "\n")
	}
	if now := s.s.Status(s.now); now != s.status {
		s.status = now
		fmt.Fprintf(&s.out, "status %s, %d retries\n", now, s.s.Retries())
	}
}

func (s *script) options(text string) {
	s.t.Helper()
	for w := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(w, "=")
		n, _ := strconv.Atoi(value)
		d, _ := time.ParseDuration(value)
		switch name {
		case "agent":
		case "records":
			s.opts.MaxRecords = n
		case "bytes":
			s.opts.MaxBytes = n
		case "message":
			s.opts.MaxMessage = n
		case "size":
			s.set.MaxRecordSize = n
		case "tries":
			s.set.MaxRetransmitTries = n
		case "expiration":
			s.set.Expiration = d
		case "version":
			s.set.Version = value
		default:
			s.t.Fatalf("option %s: unknown", name)
		}
	}
}

// record reads what recv> says: id, seq, exp, again, sar (N, B, I, C), tls, and any
// number of payload.
func (s *script) record(text string) usp.Record {
	s.t.Helper()
	if raw, err := hex.DecodeString(text); err == nil {
		rec, err := usp.NewRecord(raw)
		if err != nil {
			s.t.Fatal(err)
		}
		return rec
	}
	r := &usprecord.Record{Version: "1.4", ToId: string(agent), FromId: string(controller)}
	p := &usprecord.SessionContextRecord{ExpectedId: 1}
	r.RecordType = &usprecord.Record_SessionContext{SessionContext: p}
	for w := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(w, "=")
		n, _ := strconv.ParseUint(value, 10, 64)
		switch name {
		case "id":
			p.SessionId = n
		case "seq":
			p.SequenceId = n
		case "exp":
			p.ExpectedId = n
		case "again":
			p.RetransmitId = n
		case "sar":
			p.PayloadSarState = usprecord.SessionContextRecord_PayloadSARState(strings.Index("NBIC", value))
			p.PayloadrecSarState = p.GetPayloadSarState()
		case "tls":
			r.PayloadSecurity = usprecord.Record_TLS12
		case "payload":
			p.Payload = append(p.Payload, []byte(message(value)))
		default:
			s.t.Fatalf("recv> %s: unknown", name)
		}
	}
	return encoded(s.t, r)
}
