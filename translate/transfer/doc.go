// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package transfer is what becomes of the files that a CPE was asked to fetch or to
// send: a Table of Jobs, from Download or Upload to the end that a TransferComplete,
// or something in its place, tells of [TR-069 A.3.2.8, A.4.1.5, quirks 68-72].
//
// It is a state machine without clock, network and storage. Its owner sends what
// Job.Request says once what the Table holds is durable (Leave), tells it what the
// CPE answers and reports, and wakes it when it is Due. So a Job is lost in no crash:
//
//   - that was asked for and did not leave, is sent by the next process;
//   - that may have left, is not sent again before the CPE has said that it does not
//     know it (Listed); meanwhile it waits for a TransferComplete;
//   - of which the end was told, is not in the Table any more, and its CommandKey is
//     known for one of ours by its form: a TransferComplete that is repeated is nobody
//     else's.
//
// The package knows nothing of USP, nor of who has asked.
package transfer
