// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// table prints rows as they come.
type table struct{ out io.Writer }

// format of a row; the verbs are of strings.
const format = "%-11s %3s %9s %7s %7s  %6s %6s  %-13s %6s %6s  %6s %6s %6s  %s\n"

func (t table) head(f *flags) {
	fmt.Fprintf(t.out, "Relay of Records of %d bytes, %d on their way; %d rounds of %v; %d processors; %s\n",
		f.size, f.window, f.rounds, f.round, runtime.NumCPU(), kernel())
	fmt.Fprintln(t.out, "Server CPU is the relaying process's, µs per Record, median and minimum of the rounds;"+
		" the ratio is of medians, of minima.")
	fmt.Fprintf(t.out, format, "pair", "QoS", "rate/s", "p50 µs", "p99 µs", "CPU", "min",
		"peer", "CPU", "min", "ratio", "of min", "target", "")
}

func (t table) row(r *row) {
	cells := []any{r.name, r.qosText(), "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", ""}
	if r.pair.peer != "" {
		cells[7] = r.pair.peer
	}
	if r.target > 0 {
		cells[12] = fmt.Sprintf("%.3g", r.target)
	}
	if s := r.ours; s != nil && len(s.results) > 0 {
		cells[2] = fmt.Sprintf("%.0f", s.rate())
		cells[3], cells[4] = short(median(s.figure(p50))), short(median(s.figure(p99)))
		own := s.figure(cpu)
		cells[5], cells[6] = micros(median(own)), micros(slices.Min(own))
		if r.peer != nil && len(r.peer.results) > 0 {
			theirs := r.peer.figure(cpu)
			ratio := float64(median(own)) / float64(median(theirs))
			cells[8], cells[9] = micros(median(theirs)), micros(slices.Min(theirs))
			cells[10] = fmt.Sprintf("%.2f", ratio)
			cells[11] = fmt.Sprintf("%.2f", float64(slices.Min(own))/float64(slices.Min(theirs)))
			if r.target > 0 && ratio > r.target {
				cells[13] = "missed"
			}
		}
	}
	if r.note != "" {
		cells[13] = r.note
	}
	fmt.Fprint(t.out, strings.TrimRight(fmt.Sprintf(format, cells...), " \n"), "\n")
}

func (r *row) qosText() string {
	if r.from != "mqtt" && r.to != "mqtt" {
		return "-"
	}
	return strconv.Itoa(int(r.qos))
}

func micros(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Microsecond)) }
func short(d time.Duration) string  { return fmt.Sprintf("%.0f", float64(d)/float64(time.Microsecond)) }

// kernel names the system, as far as it can be told.
func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return runtime.GOOS + " " + strings.TrimSpace(string(release))
}
