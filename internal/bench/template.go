// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// fieldWidth is that of a number in a Record: hexadecimal digits.
const fieldWidth = 16

// probeBit in a number marks Records that ask whether the way is open.
const probeBit = 1 << 63

// template is the Record that is sent over and over: a Notify whose msg_id ends
// with its number and whose value ends with the time of sending. The msg_id
// begins with a name of the Load, so that what an earlier one has left in a
// queue is not taken for this one's.
type template struct {
	record        []byte
	number, stamp int // offsets of the two fields
}

// newTemplate makes a template of size bytes, or a few less where lengths of
// lengths do not allow that.
func newTemplate(from, to usp.EndpointID, size int) (template, error) {
	number, stamp := strings.Repeat("@", fieldWidth), strings.Repeat("#", fieldWidth)
	msgID := fmt.Sprintf("%016x-", rand.Uint64()) + number
	build := func(padding int) ([]byte, error) {
		payload, err := proto.Marshal(notify(msgID, strings.Repeat(".", padding)+stamp))
		rec := usp.NewNoSession(from, to, usp.Version, payload)
		return rec.Bytes(), err
	}
	raw, err := build(0)
	padding := size - len(raw)
	if err == nil && padding < 0 {
		return template{}, fmt.Errorf("bench: Records of %d bytes, want at least %d", size, len(raw))
	}
	for ; err == nil && padding > 0; padding-- {
		if raw, err = build(padding); len(raw) <= size {
			break
		}
	}
	if err != nil {
		return template{}, fmt.Errorf("bench: %w", err)
	}
	return template{
		record: raw,
		number: bytes.Index(raw, []byte(number)), stamp: bytes.Index(raw, []byte(stamp)),
	}, nil
}

func notify(msgID, value string) *uspmsg.Msg {
	return &uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: msgID, MsgType: uspmsg.Header_NOTIFY},
		Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: &uspmsg.Request{
			ReqType: &uspmsg.Request_Notify{Notify: &uspmsg.Notify{
				SubscriptionId: "bench",
				Notification: &uspmsg.Notify_ValueChange_{ValueChange: &uspmsg.Notify_ValueChange{
					ParamPath: "Device.DeviceInfo.ProvisioningCode", ParamValue: value,
				}},
			}},
		}}},
	}
}

// is reports whether rec is of this template.
func (t *template) is(rec []byte) bool {
	return len(rec) == len(t.record) && bytes.Equal(rec[:t.number], t.record[:t.number])
}

// put writes a number as hexadecimal digits.
func put(dst []byte, v uint64) {
	const digits = "0123456789abcdef"
	for i := fieldWidth - 1; i >= 0; i-- {
		dst[i] = digits[v&15]
		v >>= 4
	}
}

// get reads what put has written, eight digits at a time.
func get(src []byte) uint64 {
	return half(binary.BigEndian.Uint64(src))<<32 | half(binary.BigEndian.Uint64(src[8:]))
}

// half turns eight hexadecimal digits into 32 bits.
func half(d uint64) uint64 {
	letters := d >> 6 & 0x0101010101010101
	d = d&0x0f0f0f0f0f0f0f0f + 9*letters
	d = (d | d>>4) & 0x00ff00ff00ff00ff
	d = (d | d>>8) & 0x0000ffff0000ffff
	return (d | d>>16) & 0xffffffff
}
