// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/bench"
	"github.com/uspgate/uspgate/test/bench/copies"
)

// sessionWorkers is how many CPE have a session at the same time: an fsync is for all that
// wait for it.
const sessionWorkers = 16

// fillCPE is the argument by which this program starts itself to make a data_dir with
// CPE that have been read as a whole.
const fillCPE = "fill-cpe"

// copyCPE makes it, and prints the Inform of all of them as JSON.
func copyCPE(ctx context.Context, dir string, n int, out io.Writer) error {
	in, err := copies.Make(ctx, dir, n)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(in)
}

// bareHTTP is the argument by which this program starts itself as the floor of a
// session.
const bareHTTP = "bare-http"

// The targets of an Inform session where something has changed, and where nothing has, as
// multiples of what a session costs a bare net/http server on the same host: 0.15 and
// 0.08 ms where that is 0.03.
const (
	changedTarget = 5.0
	sameTarget    = 8.0 / 3
)

// sessionRest is how long a gateway has for what sessions leave it to do, which is
// counted as theirs.
const sessionRest = time.Second

// cwmpSessions prints what an Inform session costs the whole gateway, with few known
// devices and with many, most of which sleep, beside a server of nothing but net/http.
func cwmpSessions(ctx context.Context, f *flags, s *servers, out io.Writer) (err error) {
	if f.cwmp <= 0 || !f.only.MatchString("cwmp") {
		return nil
	}
	fmt.Fprintf(out, "\nInform sessions: a connection, an Inform with 8 parameters, an empty POST, 204; CPU in ms of"+
		" the server's process,\nbest and median of %d rounds of %d sessions\n", f.rounds, f.sessions)
	fmt.Fprintf(out, cwmpFormat, "devices", "their state", "sessions/s", "CPU", "median", "target", "")
	bare, err := bareSessions(ctx, f, out)
	if err != nil {
		return err
	}
	for _, n := range []int{100, f.cwmp} {
		if err := knownSessions(ctx, f, s, n, bare, out); err != nil {
			return fmt.Errorf("sessions of %d devices: %w", n, err)
		}
	}
	cost, err := syncCost(s.dir)
	fmt.Fprintf(out, "an fsync of 4 KB takes %.2f ms here\n", cost.Seconds()*1000)
	return err
}

const cwmpFormat = "%-8s %-28s %10s %7s %7s %7s  %s\n"

// sessionRow measures rounds of sessions and prints them. The devices have their turn,
// from round to round. It returns the best.
func sessionRow(
	ctx context.Context, f *flags, l *bench.Sessions, t *turn, what string, target time.Duration, out io.Writer,
) (time.Duration, error) {
	var each []time.Duration
	var rates []float64
	for range f.rounds {
		r, err := l.Run(ctx, t.next(f.sessions))
		if err != nil {
			return 0, err
		}
		each, rates = append(each, r.Each()), append(rates, r.Rate())
	}
	slices.Sort(each)
	slices.Sort(rates)
	devices, note, aim := "-", "", "-"
	if t.devices > 0 {
		devices = strconv.Itoa(t.devices)
	}
	if target > 0 {
		aim = millis(target)
		if each[0] > target {
			note = "missed"
		}
	}
	line := fmt.Sprintf(cwmpFormat, devices, what, fmt.Sprintf("%.0f", rates[len(rates)/2]), millis(each[0]),
		millis(each[len(each)/2]), aim, note)
	_, err := fmt.Fprintln(out, strings.TrimRight(line, " \n"))
	return each[0], err
}

func millis(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()*1000) }

// turn is whose turn it is. What the devices say as what changes is one more for each
// session if changes is true.
type turn struct {
	devices, at int
	changes     bool
	change      uint64
	process     int
}

// next is the next round of n sessions: of the devices that follow, or of all of them
// again and again where there are fewer.
func (t *turn) next(n int) bench.Round {
	r := bench.Round{First: t.at, Count: n, Devices: t.devices, Change: t.change, Process: t.process, Rest: sessionRest}
	if t.changes {
		r.Change, r.Step = t.change+1, 1
		t.change += uint64(n)
	}
	if t.devices > 0 {
		t.at = (t.at + n) % t.devices
	}
	return r
}

// bareSessions prints the floor.
func bareSessions(ctx context.Context, f *flags, out io.Writer) (time.Duration, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	a, err := freeAddress(ctx)
	if err != nil {
		return 0, err
	}
	p, err := start(ctx, command(self, bareHTTP, a), accepts(a))
	if err != nil {
		return 0, err
	}
	l := &bench.Sessions{Address: a, Inform: plainInform(), Workers: sessionWorkers}
	bare, err := sessionRow(ctx, f, l, &turn{process: p.pid}, "bare net/http", 0, out)
	return bare, errors.Join(err, p.stop())
}

// plainInform is an Inform as large as that of the CPE.
func plainInform() *cwmp.Inform {
	in := &cwmp.Inform{
		DeviceID: cwmp.DeviceID{Manufacturer: "Bench", OUI: "00D09E", ProductClass: "Bare", SerialNumber: bench.SerialField},
		Events:   []cwmp.Event{{Code: cwmp.EventPeriodic}}, MaxEnvelopes: 1,
	}
	for i := range 8 {
		in.Params = append(in.Params, cwmp.ParameterValue{
			Name:  fmt.Sprintf("InternetGatewayDevice.ManagementServer.ParameterOfMeanLength%d", i),
			Value: "some value of it", Type: cwmp.TypeString,
		})
	}
	return in
}

// serveBare answers every POST as a session has it, and knows nothing.
func serveBare(ctx context.Context, address string) error {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("bare server: %w", err)
	}
	answer := strings.Repeat("x", 500)
	srv := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			if n, _ := io.Copy(io.Discard, io.LimitReader(r.Body, 1<<20)); n == 0 {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			w.Header().Set("Content-Type", "text/xml; charset=utf-8")
			w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
			w.Header().Set("Set-Cookie", "uspgate=AAAABBBBCCCCDDDDEEEEFFFFGG; Path=/")
			_, _ = io.WriteString(w, answer) // a client that has gone is no matter
		})}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err = srv.Serve(ln); errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// knownSessions prints the sessions of a gateway that knows n devices. All come once,
// which wakes their Virtual Agents as the program and its configuration are new to them,
// and once more after a restart, before anything else is measured.
func knownSessions(ctx context.Context, f *flags, s *servers, n int, bare time.Duration, out io.Writer) (err error) {
	data := filepath.Join(s.dir, fmt.Sprintf("cwmp%d", n))
	said, err := self(ctx, fillCPE, data, strconv.Itoa(n))
	if err != nil {
		return err
	}
	in := &cwmp.Inform{}
	if err := json.Unmarshal([]byte(said), in); err != nil {
		return err
	}
	a, err := addresses(ctx, 2)
	if err != nil {
		return err
	}
	conf, err := s.file(fmt.Sprintf("cwmp%d.yaml", n), fmt.Sprintf(`data_dir: "%s"
cwmp: {listen: "%s", session_rate: 0}
translate: {idle: 5s}
admin: {listen: ""}
metrics: {listen: "%s"}
log: {level: warn}
`, data, a[0], a[1]))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	l := &bench.Sessions{Address: a[0], Inform: in, Workers: sessionWorkers}
	run := func(f func(t *turn) error) error {
		p, err := start(ctx, command(s.uspgate, "serve", "-c", conf), accepts(a...))
		if err != nil {
			return err
		}
		return errors.Join(f(&turn{devices: n, process: p.pid}), p.stop())
	}
	err = run(func(t *turn) error { return allOnce(ctx, l, t, "the first with this program", out) })
	if err != nil {
		return err
	}
	return run(func(t *turn) error {
		if err := allOnce(ctx, l, t, "the first since the start", out); err != nil {
			return err
		}
		of := func(times float64) time.Duration { return time.Duration(times * float64(bare)) }
		if _, err := sessionRow(ctx, f, l, t, "as before", of(sameTarget), out); err != nil {
			return err
		}
		t.changes = true
		_, err = sessionRow(ctx, f, l, t, "another URL each time", of(changedTarget), out)
		return err
	})
}

// allOnce has all devices come once, and prints what that took.
func allOnce(ctx context.Context, l *bench.Sessions, t *turn, what string, out io.Writer) error {
	r, err := l.Run(ctx, t.next(t.devices))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, cwmpFormat, strconv.Itoa(t.devices), what, fmt.Sprintf("%.0f", r.Rate()),
		millis(r.Each()), "-", "-", "")
	return err
}

// syncCost is how long an fsync takes in a directory.
func syncCost(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, "sync")
	if err != nil {
		return 0, err
	}
	const n = 50
	page := make([]byte, 4<<10)
	began := time.Now()
	for range n {
		if _, err = f.Write(page); err != nil {
			break
		}
		if err = f.Sync(); err != nil {
			break
		}
	}
	took := time.Since(began) / n
	return took, errors.Join(err, f.Close(), os.Remove(f.Name()))
}
