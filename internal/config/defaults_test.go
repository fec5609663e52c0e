// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/cohort"
)

const two = "controllers: [{endpoint_id: self::a}, {endpoint_id: self::b}]\n"

// withDefaults is a configuration with one entry, named x.
func withDefaults(entry string) string {
	return two + "translate: {defaults: [{name: x, " + entry + "}]}"
}

// What an entry says is what package agent is told, in the words of TR-181.
func TestDefaults(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse("f.yaml", []byte(two+`
translate:
  defaults:
    - name: dsl
      select: {oui: 00D09E, serial: ["A*", "B*"], serial_from: A1, percent: 12.5}
      apply: missing
      controllers:
        - {endpoint_id: "self::a", role: Help, provisioning_code: p, periodic_notif_interval: 1h}
      roles:
        - {name: Help, permissions: [{targets: [Device.], param: r---}]}
      subscriptions:
        - id: boots
          recipient: "self::a"
          notif_type: Event
          reference_list: [Device.Boot!, Device.LocalAgent.Periodic!]
          notif_retry: true
          notif_expiration: 1h
        - id: off
          recipient: "self::a"
          notif_type: ValueChange
          reference_list: ['Device.WiFi.SSID.[Enable==true&&Status=="Up"].SSID']
          enable: false
      boot_parameters:
        - {controller: "self::a", parameter_name: Device.DeviceInfo.}
      bulk_data:
        - alias: stats
          controller: "self::a"
          reporting_interval: 15m
          parameters: [{reference: Device.WiFi.SSID.*.Stats., name: wifi}]
          json_encoding: {report_format: NameValuePair}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := agent.Defaults{
		Name: "dsl", Missing: true,
		Select: cohort.Selector{
			OUI: cohort.Patterns{"00D09E"}, Serial: cohort.Patterns{"A*", "B*"}, SerialFrom: "A1", Percent: 12_50,
		},
		Controllers: []agent.DefaultController{{
			EndpointID: "self::a", Role: "Help", ProvisioningCode: "p", PeriodicNotifInterval: time.Hour,
		}},
		Roles: []agent.Role{{Name: "Help", Permissions: []agent.Permission{{Targets: []string{"Device."}, Param: "r---"}}}},
		Seeds: []agent.Seed{
			{
				Table: agent.TableBootParameter, Owner: "self::a", Key: "ParameterName",
				Values: values("ParameterName", "Device.DeviceInfo.", "Enable", "true"),
			},
			{
				Table: agent.TableBulkProfile, Owner: "self::a", Key: "Alias",
				Values: values("Protocol", "USPEventNotif", "Alias", "stats", "EncodingType", "JSON", "ReportingInterval", "900",
					"JSONEncoding.ReportFormat", "NameValuePair", "Enable", "true"),
				Rows: []agent.Seed{{Table: "Parameter.", Values: values("Reference", "Device.WiFi.SSID.*.Stats.", "Name", "wifi")}},
			},
			{
				Table: agent.TableSubscription, Owner: "self::a", Key: "ID",
				Values: values("ID", "boots", "NotifType", "Event",
					"ReferenceList", "Device.Boot!,Device.LocalAgent.Periodic!", "Enable", "true", "Persistent", "true",
					"NotifRetry", "true", "NotifExpiration", "3600"),
			},
			{
				Table: agent.TableSubscription, Owner: "self::a", Key: "ID",
				Values: values("ID", "off", "NotifType", "ValueChange",
					"ReferenceList", `Device.WiFi.SSID.[Enable==true&&Status=="Up"].SSID`, "Persistent", "true"),
			},
		},
	}
	if got := cfg.Translate.Defaults[0].Agent(); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
	const explained = "defaults dsl, for oui 00D09E, serial A* or B*, serial from A1, 12.5 % of them: managed by " +
		"self::a (Help) and nobody else; once, to all Virtual Agents that were not given it: 2 subscriptions, " +
		"1 boot parameter, 1 bulk data profile; roles of their own: 1"
	if got := cfg.Translate.Defaults[0].Explain(); got != explained {
		t.Errorf("got %s, want %s", got, explained)
	}
	again, err := config.Parse("f.yaml", []byte(config.Print(cfg)), nil)
	if err != nil || config.Print(again) != config.Print(cfg) {
		t.Errorf("got %v, and not the same again, from what is printed\n%s", err, config.Print(cfg))
	}
}

// What makes no sense is refused, with its place.
func TestDefaultsProblems(t *testing.T) {
	t.Parallel()
	sub := func(s string) string { return withDefaults("subscriptions: [{id: s, recipient: self::a, " + s + "}]") }
	bulk := func(s string) string { return withDefaults("bulk_data: [{alias: b, controller: self::a, " + s + "}]") }
	const s = "translate.defaults[0].subscriptions[0]"
	const b = "translate.defaults[0].bulk_data[0]"
	for _, tc := range []struct{ yaml, want string }{
		{sub("notif_type: Event, reference_list: [Device.Boot!]"), ""},
		{sub("notif_type: ValueChange, reference_list: [Device.X_VENDOR_Thing.]"), ""},
		{sub("notif_type: Boot, reference_list: [Device.Boot!]"), s + ".notif_type: want one of ValueChange"},
		{sub("notif_type: Event, reference_list: [Device.Boot]"), s + ".reference_list: Device.Boot is nothing that Event"},
		{sub("notif_type: Event, reference_list: [Boot!]"), s + ".reference_list: Boot!"},
		{
			sub("notif_type: Event, reference_list: [Device.LocalAgent.Boot!]"),
			s + ".reference_list: Device.LocalAgent.Boot! is not",
		},
		{sub("notif_type: Event"), s + ".enable: a Subscription without ReferenceList"},
		{
			sub("notif_type: Event, reference_list: [Device.Boot!], notif_expiration: 1500ms"),
			s + ".notif_expiration: 1.5s is not",
		},
		{sub("notif_typ: Event"), s + ".notif_typ: unknown key; did you mean notif_type?"},
		{
			withDefaults("subscriptions: [{id: s, recipient: self::c, notif_type: Event, reference_list: [Device.Boot!]}]"),
			s + `.recipient: "self::c" is not a controller of these agents; write one of controllers`,
		},
		{
			withDefaults("controllers: [{endpoint_id: self::b}], subscriptions: [{id: s, recipient: self::a}]"),
			s + ".recipient: \"self::a\" is not a controller of these agents; name it under controllers of the entry",
		},
		{
			"translate: {defaults: [{name: x, subscriptions: [{id: s, recipient: self::a}]}]}",
			"add it to controllers at the top",
		},
		{
			sub("notif_type: Event, reference_list: [Device.Boot!], trigger_action: NotifyAndConfig, " +
				"trigger_config_settings: [Device.Time.Enable=true, Device.DeviceInfo.ProvisioningCode=x]"), "",
		},
		{
			sub("notif_type: Event, reference_list: [Device.Boot!], trigger_action: Config, trigger_config_settings: [x]"),
			s + ".trigger_config_settings: x",
		},
		{withDefaults("subscriptions: [{recipient: self::a}]"), s + ".id: it has none"},
		{
			withDefaults("subscriptions: [{id: s, recipient: self::a, enable: false}, {id: s, recipient: self::a}]"),
			`subscriptions[1].id: "s" is there already`,
		},
		{
			withDefaults("boot_parameters: [{controller: self::a, parameter_name: Device.Boot!}]"),
			"boot_parameters[0].parameter_name: not a path",
		},
		{bulk("parameters: [{reference: Device.DeviceInfo.UpTime}]"), ""},
		{bulk("name: x}, {alias: b, controller: self::b"), "bulk_data[1].alias: \"b\" is there already"},
		{bulk("encoding_type: XML"), b + ".encoding_type"},
		{bulk("reporting_interval: 5s"), b + ".reporting_interval: less than"},
		{bulk("json_encoding: {report_format: List}"), b + ".json_encoding.report_format"},
		{bulk("time_reference: noon"), b + ".time_reference"},
		{bulk("parameters: [{reference: Device.A.}, {reference: Device.Boot!}]"), b + ".parameters[1].reference"},
		{bulk("parameters: [" + strings.Repeat("{},", 65) + "]"), b + ".parameters: 65 rows"},
		{withDefaults("select: {oui: A}"), "translate.defaults[0]: it gives nothing"},
		{withDefaults("select: {percent: 120}, controllers: [{endpoint_id: self::a}]"), "select.percent: \"120\""},
		{withDefaults("select: {serial_from: B, serial_to: A}, controllers: [{endpoint_id: self::a}]"), "select.serial_to"},
		{withDefaults("apply: always, controllers: [{endpoint_id: self::a}]"), "defaults[0].apply"},
		{withDefaults("controllers: [{endpoint_id: self::c}]"), "controllers[0].endpoint_id: \"self::c\" is not among"},
		{withDefaults("controllers: [{endpoint_id: self::a}, {endpoint_id: self::a}]"), "controllers[1].endpoint_id"},
		{withDefaults("controllers: [{endpoint_id: self::a, role: Help}]"), "controllers[0].role: there is no role Help"},
		{withDefaults("roles: [{name: Untrusted}]"), "roles[0].name: there is a role"},
		{withDefaults("roles: [{name: A, permissions: [{targets: [x]}]}]"), "translate.defaults[0].roles[0]: target x"},
		{
			withDefaults("roles: [{name: A}]}, {name: x, controllers: [{endpoint_id: self::a}]"),
			"defaults[1].name: there are defaults x",
		},
		{
			withDefaults("roles: [{name: A}]}, {name: y, controllers: [{endpoint_id: self::a, role: A}]"),
			"defaults[1].controllers[0].role: A is a role of other defaults",
		},
		{two + "translate: {defaults: [" + strings.Repeat("{},", 65) + "]}", "translate.defaults: 65 entries"},
		{withDefaults("subscriptions: [" + strings.Repeat("{},", 65) + "]"), "65 subscriptions, profiles and so on"},
	} {
		_, err := config.Parse("f.yaml", []byte(tc.yaml), nil)
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: got %v, want nil", tc.yaml, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: got %v, want %s", tc.yaml, err, tc.want)
		}
	}
}

// values are names and what they are set to, in turn.
func values(pairs ...string) []agent.SeedValue {
	var list []agent.SeedValue
	for pair := range slices.Chunk(pairs, 2) {
		list = append(list, agent.SeedValue{Param: pair[0], Value: pair[1]})
	}
	return list
}
