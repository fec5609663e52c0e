// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"strconv"
	"time"
)

// rhythm is what two sides have agreed on; 0 is none.
type rhythm struct {
	send    time.Duration // we give a sign of life in every interval of this
	receive time.Duration // the peer does so
}

// negotiate takes the heart-beat header of the other side, beside what we can
// send and want to receive [STOMP 1.2, Heart-beating; R-STOMP.9]. A missing
// header is 0,0.
func negotiate(f *frame, send, receive time.Duration) (rhythm, error) {
	raw := f.literal(hdrHeartBeat)
	if !f.has(hdrHeartBeat) {
		return rhythm{}, nil
	}
	var theirs [2]int64 // milliseconds
	for i, n := 0, 0; n < len(raw) || i < len(theirs); n++ {
		switch {
		case n < len(raw) && raw[n] >= '0' && raw[n] <= '9':
			theirs[i] = min(10*theirs[i]+int64(raw[n]-'0'), maxHeartBeat.Milliseconds())
		case n > 0 && raw[n-1] != ',' && i == 0 && n < len(raw) && raw[n] == ',':
			i++
		case n > 0 && raw[n-1] != ',' && i == 1 && n == len(raw):
			i++
		default:
			return rhythm{}, violation("heart-beat is not two numbers")
		}
	}
	agree := func(ours time.Duration, theirs int64) time.Duration {
		if ours <= 0 || theirs <= 0 {
			return 0
		}
		return max(ours, time.Duration(theirs)*time.Millisecond)
	}
	return rhythm{send: agree(send, theirs[1]), receive: agree(receive, theirs[0])}, nil
}

// appendHeartBeat writes the header.
func appendHeartBeat(dst []byte, send, receive time.Duration) []byte {
	dst = append(dst, "heart-beat:"...)
	dst = strconv.AppendInt(dst, max(send, 0).Milliseconds(), 10)
	dst = append(dst, ',')
	dst = strconv.AppendInt(dst, max(receive, 0).Milliseconds(), 10)
	return append(dst, '\n')
}
