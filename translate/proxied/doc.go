// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package proxied is the gateway Agent: one USP Agent that shows a selected set of CPE as
// rows of Device.ProxiedDevice., beside the Virtual Agent that each of them has [TR-181
// ProxiedDevice:1].
//
// It is an agent.Agent without a CPE, which has the Records, the journal, the roles, the
// Subscriptions and the Request table, in a Host of its own. This package divides its
// Requests: what is about the gateway's own tree goes back to it (agent.Question.Own), what
// is about a mounted CPE is asked of the CPE's Virtual Agent in the name of the same
// Controller (agent.Host.Ask), with the paths rewritten; the answers are put together. So
// freshness, rights, deadlines, rollback and error codes are those of the Virtual Agents.
// Subscriptions are mirrored: the gateway is a Controller of the Virtual Agents, with a
// Subscription for each of those that lead into their CPE, and passes the Notifies on.
//
// It must not know sockets, MTPs and storage.
//
// Lock order: Gateway.changing, mirror.mu, the lock of the gateway Agent, Gateway.mu and
// notes.mu. Only the first two are held over calls of an agent.Gateway, only mirror.mu over
// those of the Virtual Agents' Host.
package proxied
