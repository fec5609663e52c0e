// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/usprecord"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The Endpoints of the tests: the Session is the Agent's.
const (
	agent      = usp.EndpointID("os::ACDE48-1")
	controller = usp.EndpointID("self::c")
)

// context makes a Record of the Controller.
func context(tb testing.TB, p *usprecord.SessionContextRecord) usp.Record {
	tb.Helper()
	return encoded(tb, &usprecord.Record{
		Version: "1.4", ToId: string(agent), FromId: string(controller),
		RecordType: &usprecord.Record_SessionContext{SessionContext: p},
	})
}

func encoded(tb testing.TB, r *usprecord.Record) usp.Record {
	tb.Helper()
	raw, err := proto.Marshal(r)
	if err != nil {
		tb.Fatal(err)
	}
	rec, err := usp.NewRecord(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return rec
}
