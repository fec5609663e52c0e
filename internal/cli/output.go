// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// output is how a verb prints: a table for people or JSON for programs.
type output struct {
	format string
	to     io.Writer
}

func (o *output) flag(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVarP(&o.format, "output", "o", "table", "table or json")
}

func (o *output) check() error {
	if o.format != "table" && o.format != "json" {
		return usageError{fmt.Errorf("-o %s is not known, write table or json", o.format)}
	}
	return nil
}

// json prints v if JSON is wanted, and says whether it was.
func (o *output) json(v any) (bool, error) {
	if o.format != "json" {
		return false, nil
	}
	enc := json.NewEncoder(o.to)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return true, enc.Encode(v)
}

// table prints rows under a head, each column as wide as its widest cell.
func (o *output) table(head []string, rows [][]string) {
	width := make([]int, len(head))
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
		}
	}
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	for _, row := range append([][]string{head}, rows...) {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", width[i]-len([]rune(cell))+2))
			}
		}
		fmt.Fprintln(o.to, strings.TrimRight(line.String(), " "))
	}
}

// printable replaces what would control a terminal: values come from devices.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return '·'
		}
		return r
	}, s)
}
