// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package demo is a gateway with three simulated CPE and a USP Controller in
// one process: it walks through what uspgate does, shows every USP Message
// beside the CWMP RPCs that it became, and checks each result.
package demo
