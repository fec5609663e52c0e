// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

// Widths of the two columns of the transcript.
const (
	leftWidth  = 76
	rightWidth = 76
	// maxLines bounds what is shown of one Message.
	maxLines = 12
)

// transcript prints USP on the left and CWMP on the right.
type transcript struct {
	out io.Writer

	mu    sync.Mutex
	right []string // CWMP lines of the current step
}

func (t *transcript) title(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fmt.Fprintf(t.out, "\n── %s %s\n", text, strings.Repeat("─", max(0, leftWidth+rightWidth-len([]rune(text)))))
}

func (t *transcript) say(format string, args ...any) {
	fmt.Fprintf(t.out, "   "+format+"\n", args...)
}

// cwmp notes what crosses the CPE's session, for the right column.
func (t *transcript) cwmp(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.right = append(t.right, shorten(text)...)
}

// reset forgets what has been noted: it belongs to nobody's step.
func (t *transcript) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.right = nil
}

// exchange prints a request and its answer beside the CWMP RPCs noted since.
func (t *transcript) exchange(request, answer string) {
	left := append(shorten("USP▶ "+request), shorten("USP◀ "+answer)...)
	t.mu.Lock()
	right := t.right
	t.right = nil
	t.mu.Unlock()
	for i := range max(len(left), len(right)) {
		line := pad(at(left, i), leftWidth) + " │ " + cut(at(right, i), rightWidth)
		fmt.Fprintln(t.out, strings.TrimRight(line, " "))
	}
}

// shorten splits text into lines and drops the middle of a long one.
func shorten(text string) []string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) <= maxLines {
		return lines
	}
	left := len(lines) - maxLines + 1
	return append(lines[:maxLines-1:maxLines-1], fmt.Sprintf("     … %d more lines", left))
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

func cut(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	return string(r[:width-1]) + "…"
}

func pad(s string, width int) string {
	s = cut(s, width)
	return s + strings.Repeat(" ", width-len([]rune(s)))
}
