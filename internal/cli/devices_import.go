// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/internal/admin"
	"github.com/uspgate/uspgate/internal/inventory"
)

// importTime bounds how long an import may take: as long as the API gives it.
const importTime = 61 * time.Minute

func devicesImport(a *adminVerb) *cobra.Command {
	format, dry := string(inventory.Auto), false
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Take in a list of CPE with their logins, from CSV or an export of GenieACS",
		Long: `Take in a list of CPE with their logins. FILE is CSV with the names of the columns in its
first line, or JSON of the collection devices of GenieACS; - is standard input.

Columns: oui and serial, which identify a CPE with product_class; manufacturer; username
and password, with which it logs in; connection_request_username, _password and _url, with
which it is called; tags, with bars between.

What a file does not say of a CPE stays as it was; a login takes the place of the one
before, tags that of all tags. The same file again changes nothing. Entries with a problem
are left out. What is counted is durable when the verb ends.

Exit 0: all of it is in; 3: some is not; 1: nothing is. Remove the file afterwards: it has
passwords in it, which the gateway never shows again.`,
		Example: "  uspgate devices import cpe.csv --dry-run\n" +
			"  mongoexport --db genieacs --collection devices | uspgate devices import - --format genieacs",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("%s takes one file, - for standard input; see --help", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(inventory.Formats(), inventory.Format(format)) {
				return usageError{fmt.Errorf("--format %s is not known, write auto, csv or genieacs", format)}
			}
			q := url.Values{"format": {format}}
			if dry {
				q.Set("dry_run", "true")
			}
			return a.importFile(cmd, args[0], q)
		},
	}
	cmd.Flags().StringVar(&format, "format", format, "auto, csv or genieacs")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "tell what would be done, and do nothing")
	return cmd
}

// importFile sends a file, and tells what became of it.
func (a *adminVerb) importFile(cmd *cobra.Command, name string, q url.Values) error {
	file := cmd.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // only read from
		file = f
	}
	var out admin.Imported
	// The bare Reader: a client that knows the length would close the file.
	err := a.ask(cmd.Context(), importTime, http.MethodPost, "devices/import", q, struct{ io.Reader }{file}, &out)
	if err != nil {
		return err
	}
	wanted, err := a.out.json(out)
	if !wanted {
		a.printImport(&out)
	}
	switch failed := out.Failed != "" || len(out.Problems) > 0; {
	case err != nil || !failed:
		return err
	case out.Added+out.Changed+out.Unchanged > 0:
		return errPartly
	default:
		return errFailed
	}
}

func (a *adminVerb) printImport(out *admin.Imported) {
	if len(out.Problems) > 0 {
		rows := make([][]string, len(out.Problems))
		for i, p := range out.Problems {
			rows[i] = []string{strconv.Itoa(p.Line), p.Device, p.Text}
		}
		a.out.table([]string{"LINE", "DEVICE", "PROBLEM"}, rows)
		if out.MoreProblems > 0 {
			fmt.Fprintf(a.out.to, "and %d more\n", out.MoreProblems)
		}
		fmt.Fprintln(a.out.to)
	}
	if out.Failed != "" {
		fmt.Fprintf(a.out.to, "the file was not read to its end: %s\n", printable(out.Failed))
	}
	for _, n := range out.Notes {
		fmt.Fprintf(a.out.to, "note: %s\n", printable(n))
	}
	would := ""
	if out.DryRun {
		would = "would be "
	}
	fmt.Fprintf(a.out.to, "%s%d added, %d changed, %d unchanged, %d problems\n", would,
		out.Added, out.Changed, out.Unchanged, len(out.Problems)+out.MoreProblems)
}
