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
//   - What the first discovery finds is no change: it notifies nobody.
//   - Boot! has no ParameterMap for a Controller without enabled BootParameter
//     rows: an empty object would say nothing, and there are Controllers that
//     cannot read it.
//   - Reboot() and FactoryReset() are synchronous commands of TR-181: the
//     OperateResp comes when the CPE has taken the order, Boot! when it is back.
//   - Nothing is done without a trace: where an error is answered although the
//     CPE has been changed and could not be changed back, its code is 7800 and
//     its text says what is left.
//
// Lock order: Host.mu, then Agent.mu. Neither is held over Device.Call, the
// callbacks of Options, or the done of Deliver.
package agent
