// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
)

func TestInstanceMapSurvivesStorage(t *testing.T) {
	t.Parallel()
	m := model.NewInstanceMap()
	model.Number(m, "Device.A.", "a")
	model.Number(m, "Device.A.", "b")
	rev := m.Revision()
	stored, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	back := model.NewInstanceMap()
	if err := json.Unmarshal(stored, back); err != nil {
		t.Fatal(err)
	}
	if n := model.Number(back, "Device.A.", "b"); n != 2 {
		t.Errorf("got %d for a known row, want 2", n)
	}
	if n := model.Number(back, "Device.A.", "c"); n != 3 {
		t.Errorf("got %d for a new row, want 3", n)
	}
	if m.Revision() != rev || back.Revision() == 0 {
		t.Errorf("revisions %d and %d, want %d and more than 0", m.Revision(), back.Revision(), rev)
	}
}

func TestInstanceMapRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`[]`,
		`{"tables":{"Device.A.":null}}`,
		`{"tables":{"Device.A.":{"next":3,"rows":{"a":1,"b":1}}}}`,
		`{"tables":{"Device.A.":{"next":2,"rows":{"a":2}}}}`,
		`{"tables":{"Device.A.":{"next":2,"rows":{"a":0}}}}`,
	} {
		m := model.NewInstanceMap()
		model.Number(m, "Device.A.", "kept")
		if err := json.Unmarshal([]byte(text), m); err == nil {
			t.Errorf("%s: got no error", text)
		}
		if n := model.Number(m, "Device.A.", "kept"); n != 1 {
			t.Errorf("%s: the map changed", text)
		}
	}
}

// TestInstanceMapIsBounded checks that rows are forgotten, oldest first, but
// numbers never used again.
func TestInstanceMapIsBounded(t *testing.T) {
	t.Parallel()
	m := model.NewInstanceMap()
	for i := range model.MaxRemembered + 1 {
		model.Number(m, "Device.A.", fmt.Sprint(i))
	}
	stored, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(stored), ":") - 4; n > model.MaxRemembered+1 {
		t.Errorf("%d rows remembered, want %d at most", n, model.MaxRemembered)
	}
	if n := model.Number(m, "Device.A.", "1"); n != 2 {
		t.Errorf("got %d for a row still known, want 2", n)
	}
	if n := model.Number(m, "Device.A.", "0"); n != model.MaxRemembered+2 {
		t.Errorf("got %d for a row forgotten, want a new number, %d", n, model.MaxRemembered+2)
	}
}

// TestViewIsBounded checks that a CPE cannot make a View grow without end.
func TestViewIsBounded(t *testing.T) {
	t.Parallel()
	v := model.NewView(mustLoad(t), model.TR098, nil)
	model.SetLimit(v, 100)
	var infos []cwmp.ParameterInfo
	for i := range 1000 {
		infos = append(infos, cwmp.ParameterInfo{Name: fmt.Sprintf("InternetGatewayDevice.X.%d.Y", i+1)})
	}
	v.SetNames("", infos)
	if have, limit := v.Size(); have < 99 || have > 100 || limit != 100 {
		t.Errorf("%d of %d nodes, want 99 or 100 of 100", have, limit)
	}
	v.SetNames("", infos[:10])
	if have, _ := v.Size(); have != 21 {
		t.Errorf("%d nodes, want X, 10 rows and 10 parameters", have)
	}
	deep := "InternetGatewayDevice." + strings.Repeat("A.", 40) + "B"
	long := "InternetGatewayDevice." + strings.Repeat("A", 2000)
	v.Observe([]cwmp.ParameterValue{{Name: deep}, {Name: long}})
	if have, _ := v.Size(); have != 21 {
		t.Errorf("%d nodes, want that names too deep or long are not taken", have)
	}
}
