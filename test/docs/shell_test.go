// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// step is one command of a console block with what it is said to print.
type step struct {
	line    int
	command string
	want    []string // … stands for anything; alone on a line for any lines
}

// steps reads a console block.
func steps(b block) ([]step, error) {
	var out []step
	lines := strings.Split(strings.TrimRight(b.text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		command, ok := strings.CutPrefix(lines[i], "$ ")
		if !ok {
			if len(out) == 0 {
				return nil, fmt.Errorf("line %d: output before any command", b.line+i)
			}
			last := &out[len(out)-1]
			last.want = append(last.want, strings.TrimRight(lines[i], " "))
			continue
		}
		s := step{line: b.line + i, command: command}
		for strings.HasSuffix(s.command, `\`) && i+1 < len(lines) {
			i++
			s.command = strings.TrimSuffix(s.command, `\`) + lines[i]
		}
		out = append(out, s)
	}
	return out, nil
}

// words splits a command as a shell does, as far as the documents need it:
// spaces, quotes, and the pipe as a word of its own.
func words(command string) ([]string, error) {
	var out []string
	var word strings.Builder
	inWord, quote := false, rune(0)
	end := func() {
		if inWord {
			out = append(out, word.String())
			word.Reset()
			inWord = false
		}
	}
	for _, c := range command {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case c == ' ':
			end()
		case c == '|':
			end()
			out = append(out, "|")
		case strings.ContainsRune("<>&;$`\\", c) && command != "echo $?":
			return nil, fmt.Errorf("%q in %q is not supported by this test", c, command)
		default:
			word.WriteRune(c)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errors.New("open quote in " + command)
	}
	end()
	return out, nil
}

// pattern makes a regular expression of lines with … in them.
func pattern(want []string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A`)
	for _, line := range want {
		if line == "…" {
			b.WriteString(`(?:.*\n)*?`)
			continue
		}
		b.WriteString(linePattern(line) + `[ ]*\n`)
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}

func linePattern(line string) string {
	return strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*?")
}

func TestWords(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`a b  c`:             "a,b,c",
		`a 'b c' "d e" f'g'`: "a,b c,d e,fg",
		`a ''`:               "a,",
		`curl x | grep '^y'`: "curl,x,|,grep,^y",
		`echo $?`:            "echo,$?",
	} {
		got, err := words(in)
		if err != nil || strings.Join(got, ",") != want {
			t.Errorf("%s: got %q, %v, want %s", in, got, err, want)
		}
	}
	for _, bad := range []string{"a > b", "a 'b", "a && b", "echo $HOME"} {
		if got, err := words(bad); err == nil {
			t.Errorf("%s: got %q, want an error", bad, got)
		}
	}
}

func TestPattern(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		want []string
		got  string
		ok   bool
	}{
		{[]string{"a", "b"}, "a\nb\n", true},
		{[]string{"a", "b"}, "a  \nb\n", true},
		{[]string{"a", "b"}, "a\nb\nc\n", false},
		{[]string{"a", "…"}, "a\nb\nc\n", true},
		{[]string{"…", "c"}, "a\nb\nc\n", true},
		{[]string{"…", "b"}, "a\nb\nc\n", false},
		{[]string{"a…z"}, "abcz\n", true},
		{[]string{"a…z"}, "abc\nz\n", false},
		{[]string{"a.c"}, "abc\n", false},
	} {
		if got := pattern(v.want).MatchString(v.got); got != v.ok {
			t.Errorf("%q against %q: got %v, want %v", v.want, v.got, got, v.ok)
		}
	}
}

func TestSteps(t *testing.T) {
	t.Parallel()
	got, err := steps(block{line: 10, text: "$ a \\\n  b\nx\n\ny\n$ c\n"})
	if err != nil || len(got) != 2 {
		t.Fatalf("got %v, %v, want two steps", got, err)
	}
	if got[0].command != "a   b" || strings.Join(got[0].want, ",") != "x,,y" || got[1].line != 15 {
		t.Errorf("got %+v, want the command over two lines with three lines of output, and one at line 15", got)
	}
	if _, err := steps(block{text: "x\n$ a\n"}); err == nil {
		t.Error("output before any command was accepted")
	}
}
