// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package property tests what must hold of a Virtual Agent whatever happens, over a
// real MTP against simulated CPE: random requests, models, failures and restarts.
//
// A failing test prints its seed and the shortest sequence that it has found;
// -rapid.seed makes others.
package property
