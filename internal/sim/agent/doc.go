// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package agent is a native USP Agent over any MTP: a device that speaks USP by
// itself, for demos, and for tests that hold a Virtual Agent against it. It is made
// from the specifications [TR-369, TR-181] and shares nothing with translate/agent.
//
// Its data model is a Model, which is read from a CSV file of a CPE and shown as the
// USP variant of Device:2, and what an Agent has besides (definitions/*.txt). It
// knows every Message of a Controller, search paths, unique keys, the Request table
// and Subscriptions with retries, obeys every Controller, and keeps nothing when it
// ends. It has no session contexts and no permissions.
//
// The commands of the device do nothing but take their time and report success.
//
// Requests are served one at a time under Agent.mu, timers included.
package agent
