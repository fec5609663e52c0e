// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package cpe is a simulated CPE: a parameter tree made from a model, the RPCs
// of TR-069 on it, and the events, reboots and transfers of a real device, on
// top of the CWMP session of cwmp/cpe. Tests, the demo and the sim command use
// it.
//
// A Model is immutable and shared: a CPE keeps only what differs from it, so
// that thousands fit in a process.
package cpe
