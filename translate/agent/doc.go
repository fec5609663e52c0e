// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package agent is the Virtual Agent: one CWMP CPE shown to USP Controllers
// as a complete USP Agent [TR-369, TR-181].
//
// A Host holds all Virtual Agents of the process. It takes Records addressed to
// them (Deliver), runs the Messages in them and hands the answers and Notifies
// to Options.Send. An Agent's data model is the union of its CPE's, seen
// through a model.View, and a tree of its own: Device.LocalAgent. and what a
// CPE cannot have (local.go). Each Message has its file (get.go, set.go, …), and
// a row in the table of dispatch.go.
//
// The package knows nothing of MTPs, sockets and storage. All that it needs of
// the CWMP side is Device.
//
// Decisions that a Controller can notice:
//
//   - The Agent is the gateway's, not the CPE's: a reboot or factory reset of the
//     CPE is told with Boot! but removes no Subscription; one that is not
//     Persistent ends with the gateway.
//
//   - What the first discovery finds is no change: it notifies nobody.
//
//   - A CPE is asked to report what Subscriptions are about, of a table the number of its
//     rows. What it does not report is compared in the sessions that it opens, at most every
//     30 s, and at every Options.Poll: X_USPGATE_ChangesBy of the Subscription says which.
//
//   - Boot! has no ParameterMap for a Controller without enabled BootParameter
//     rows: an empty object would say nothing, and there are Controllers that
//     cannot read it.
//
//   - Reboot() and FactoryReset() are synchronous commands of TR-181: the
//     OperateResp comes when the CPE has taken the order, Boot! when it is back.
//
//   - TriggerConfigSettings are set as one Set of the recipient, all or nothing, after the
//     Notify if there is one, and at most ten times in a minute. One that is in hand when
//     the gateway ends is not done.
//
//   - Nothing is done without a trace: where an error is answered although the
//     CPE has been changed and could not be changed back, its code is 7800 and
//     its text says what is left.
//
//   - Notifies that wait for their response outlive a restart of the gateway, which
//     begins their retries anew: the CPE has been told that its event was taken.
//
//   - Session Contexts are in memory. They outlive the sleep of an Agent, not a restart of
//     the gateway: what comes of an old one then is answered with the start of a new one.
//
//   - A request that was in hand when the gateway ended is answered by the next
//     process with Error 7003, never to be done, or 7800, and not executed.
//
// An Agent is in memory while it has something to do. Host.Deliver, Host.Attach and
// the timers of sleeping Agents take it there (rising.go), Host.sweep out of it
// (asleep.go); what it has to remember is with the Keeper (commit.go).
//
// Lock order: saving.state and saving.tree, Host.registry.mu, Agent.mu, those of a
// device.Device. Only the first two are held over the Keeper; none is held over
// Device.Call, the other callbacks of Options, or the done of Deliver.
package agent
