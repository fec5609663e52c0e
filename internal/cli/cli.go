// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/internal/config"
)

// Exit codes of the process.
const (
	ExitDone   = 0
	ExitFailed = 1
	ExitUsage  = 2 // wrong use, or an invalid configuration
	ExitPartly = 3 // some of it was done, some failed
)

// errPartly makes Run return ExitPartly; what failed has been printed.
var errPartly = errors.New("partly done")

// errFailed makes Run return ExitFailed; what failed has been printed.
var errFailed = errors.New("failed")

// Env is what the command line takes from the process.
type Env struct {
	Version string
	Stdout  io.Writer
	Stderr  io.Writer
	Environ []string // as os.Environ
}

// usageError is wrong use of a verb.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Run executes the arguments (without the program's name) and returns the exit
// code. It returns soon after ctx has ended.
func Run(ctx context.Context, env Env, args []string) int {
	root := rootCommand(env) //nolint:contextcheck // the commands take theirs from cobra
	root.SetArgs(args)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	return exitCode(env.Stderr, root.ExecuteContext(ctx))
}

// exitCode prints err for a person and says how the process ends.
func exitCode(stderr io.Writer, err error) int {
	var problems config.ProblemsError
	var usage usageError
	switch {
	case err == nil:
		return ExitDone
	case errors.Is(err, errPartly):
		return ExitPartly
	case errors.Is(err, errFailed):
		return ExitFailed
	case errors.As(err, &problems):
		fmt.Fprintln(stderr, problems)
		return ExitUsage
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, "uspgate:", err)
		return ExitUsage
	default:
		fmt.Fprintln(stderr, "uspgate:", err)
		return ExitFailed
	}
}

func rootCommand(env Env) *cobra.Command {
	root := &cobra.Command{
		Use:           "uspgate",
		Short:         "A gateway between TR-069 and USP",
		Version:       env.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown verb %q; uspgate --help lists them", args[0])}
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(
		serveCommand(env), checkCommand(env), configCommand(env), demoCommand(env), uspCommand(env), simCommand(env),
		benchCommand(env), endpointsCommand(env), routesCommand(env), queuesCommand(env),
		devicesCommand(env), nodesCommand(env),
	)
	return root
}

// group is a verb that only has verbs below it.
func group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown verb %q; %s --help lists them", args[0], cmd.CommandPath())}
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(verbs...)
	return cmd
}

// noArguments is cobra.NoArgs with an error of wrong use.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no arguments; see --help", cmd.CommandPath())}
	}
	return nil
}

// atLeast is cobra.MinimumNArgs with an error that says what is wanted.
func atLeast(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return usageError{fmt.Errorf("%s takes %s; see --help", cmd.CommandPath(), what)}
		}
		return nil
	}
}
