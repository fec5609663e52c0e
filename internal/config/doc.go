// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package config is the configuration of uspgate: one YAML file, strict, with
// the place and a remedy for every problem.
//
// A value comes from the default, then the file, then the environment, then
// what a command-line flag sets. Load reports all problems at once; a Config
// that Load returns without problems is complete and consistent.
package config
