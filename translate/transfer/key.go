// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"strconv"
	"strings"
	"time"
)

// keyPrefix begins every CommandKey of ours.
const keyPrefix = "uspgate-"

// maxKey is what a CommandKey holds [TR-069 A.3.2.8].
const maxKey = 32

// NewKey returns the CommandKey of the n-th Job of a CPE, begun at that time: at most
// 32 bytes, and never that of another Job, even where the numbers begin anew. The
// key of who has asked is in the Job.
func NewKey(n uint32, began time.Time) string {
	return keyPrefix + strconv.FormatUint(uint64(n), 36) + "-" + strconv.FormatInt(max(began.Unix(), 0)%(1<<40), 36)
}

// attemptKey is the CommandKey of a repetition: that of the attempt before may still be
// reported.
func attemptKey(key string, attempt int) string {
	key, _, _ = strings.Cut(key, ".")
	return key + "." + strconv.Itoa(attempt)
}

// IsOurs reports whether a CommandKey has the form of those that this package makes.
func IsOurs(key string) bool { return strings.HasPrefix(key, keyPrefix) }
