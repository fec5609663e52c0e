// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package transcript has Controllers hold the same conversations with a Virtual Agent
// and with a native one (internal/sim/agent) that shows the same device, and compares
// what is answered: docs/transcripts.md.
package transcript
