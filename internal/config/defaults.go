// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// Defaults are what the Virtual Agents of some CPE get; see agent.Defaults. A tag tr181 names
// the parameter that a field is for.
type Defaults struct {
	Name           string                 `yaml:"name" doc:"its name, by which it is known what a Virtual Agent was given"`
	Select         Select                 `yaml:"select" doc:"which CPE it is for: those that fit each of these; none: all"`
	Apply          string                 `yaml:"apply" doc:"who is given what is given once: new (Virtual Agents made from now on) or missing (also others that were not given it in this form)"`
	Controllers    []DefaultController    `yaml:"controllers" doc:"who of controllers manages them, and nobody else; empty: this entry does not say; of several entries that fit the last one with controllers counts"`
	Roles          []Role                 `yaml:"roles" doc:"further roles of these Virtual Agents alone"`
	Subscriptions  []DefaultSubscription  `yaml:"subscriptions" doc:"given once: rows of Device.LocalAgent.Subscription."`
	BootParameters []DefaultBootParameter `yaml:"boot_parameters" doc:"given once: what Boot! tells"`
	BulkData       []DefaultBulkData      `yaml:"bulk_data" doc:"given once: rows of Device.BulkData.Profile., reported as Push! to who has a subscription to that"`
}

// SetDefaults makes d what an entry is that says nothing.
func (d *Defaults) SetDefaults() { d.Apply = "new" }

// DefaultController is a Controller on the Virtual Agents of some CPE.
type DefaultController struct {
	EndpointID            string   `yaml:"endpoint_id" doc:"its Endpoint ID, one of controllers"`
	Role                  string   `yaml:"role" doc:"its role here; empty: as under controllers"`
	ProvisioningCode      string   `yaml:"provisioning_code" doc:"given once: the ProvisioningCode of its row"`
	PeriodicNotifInterval Duration `yaml:"periodic_notif_interval" doc:"given once: interval of Periodic!; 0: as under controllers"`
}

// DefaultSubscription is a Subscription that Virtual Agents have without that anybody has
// added it.
type DefaultSubscription struct {
	ID              string   `yaml:"id" tr181:"ID" doc:"its ID; each of one recipient has its own"`
	Recipient       string   `yaml:"recipient" doc:"Endpoint ID of the controller that is notified, and whose it is"`
	NotifType       string   `yaml:"notif_type" tr181:"NotifType" doc:"ValueChange, ObjectCreation, ObjectDeletion, OperationComplete or Event"`
	ReferenceList   []string `yaml:"reference_list" tr181:"ReferenceList" doc:"what it is about: paths of parameters, objects, rows, commands or events"`
	Enable          bool     `yaml:"enable" tr181:"Enable" doc:"false: it is there, and notifies nobody until a controller enables it"`
	Persistent      bool     `yaml:"persistent" tr181:"Persistent" doc:"false: it ends with the process, and is not given again"`
	NotifRetry      bool     `yaml:"notif_retry" tr181:"NotifRetry" doc:"notify again until it is acknowledged"`
	NotifExpiration Duration `yaml:"notif_expiration" tr181:"NotifExpiration" doc:"and for how long; 0: for ever"`
	TriggerAction   string   `yaml:"trigger_action" tr181:"TriggerAction" doc:"Notify, Config or NotifyAndConfig; empty: Notify"`
	TriggerSettings []string `yaml:"trigger_config_settings" tr181:"TriggerConfigSettings" doc:"with Config: what is set then with the rights of the recipient, each as PATH=VALUE"`
	TimeToLive      Duration `yaml:"time_to_live" tr181:"TimeToLive" doc:"how long it is there; 0: until it is deleted"`
}

// SetDefaults makes s what an entry is that says nothing.
func (s *DefaultSubscription) SetDefaults() { s.Enable, s.Persistent = true, true }

// DefaultBootParameter is what Boot! tells a Controller.
type DefaultBootParameter struct {
	Controller    string `yaml:"controller" doc:"Endpoint ID of the controller that is told"`
	ParameterName string `yaml:"parameter_name" tr181:"ParameterName" doc:"path of a parameter, or of an object and all below it"`
	Enable        bool   `yaml:"enable" tr181:"Enable" doc:"false: it is there, and not told until a controller enables it"`
}

// SetDefaults makes b what an entry is that says nothing.
func (b *DefaultBootParameter) SetDefaults() { b.Enable = true }

// DefaultBulkData is a Profile of bulk data.
type DefaultBulkData struct {
	Alias             string                  `yaml:"alias" tr181:"Alias" doc:"its Alias; each has its own"`
	Controller        string                  `yaml:"controller" doc:"Endpoint ID of the controller that gets the reports, and whose it is"`
	Name              string                  `yaml:"name" tr181:"Name" doc:"its Name"`
	EncodingType      string                  `yaml:"encoding_type" tr181:"EncodingType" doc:"JSON or CSV"`
	ReportingInterval Duration                `yaml:"reporting_interval" tr181:"ReportingInterval" doc:"at least translate.bulk_interval"`
	TimeReference     string                  `yaml:"time_reference" tr181:"TimeReference" doc:"a time from which intervals are counted, such as 2026-01-01T00:00:00Z; empty: spread over the interval"`
	Retained          int                     `yaml:"number_of_retained_failed_reports" tr181:"NumberOfRetainedFailedReports" doc:"as in TR-181"`
	Parameters        []DefaultBulkParameter  `yaml:"parameters" doc:"what is in a report"`
	JSONEncoding      DefaultBulkJSONEncoding `yaml:"json_encoding" tr181:"JSONEncoding." doc:"with encoding_type JSON"`
	CSVEncoding       DefaultBulkCSVEncoding  `yaml:"csv_encoding" tr181:"CSVEncoding." doc:"with encoding_type CSV"`
	Enable            bool                    `yaml:"enable" tr181:"Enable" doc:"false: it is there, and reports nothing until a controller enables it"`
}

// SetDefaults makes b what an entry is that says nothing.
func (b *DefaultBulkData) SetDefaults() {
	b.EncodingType, b.ReportingInterval, b.Enable = "JSON", Duration(24*time.Hour), true
}

// DefaultBulkParameter is a row of Profile.{i}.Parameter.
type DefaultBulkParameter struct {
	Reference string `yaml:"reference" tr181:"Reference" doc:"path of a parameter, or of an object and all below it; * stands for rows"`
	Name      string `yaml:"name" tr181:"Name" doc:"how it is called in the report; empty: by its path"`
	Exclude   bool   `yaml:"exclude" tr181:"Exclude" doc:"leave it out"`
}

// DefaultBulkJSONEncoding is Profile.{i}.JSONEncoding.; what is empty is as in TR-181.
type DefaultBulkJSONEncoding struct {
	ReportFormat    string `yaml:"report_format" tr181:"ReportFormat" doc:"ObjectHierarchy or NameValuePair; empty: ObjectHierarchy"`
	ReportTimestamp string `yaml:"report_timestamp" tr181:"ReportTimestamp" doc:"Unix-Epoch, ISO-8601 or None; empty: Unix-Epoch"`
}

// DefaultBulkCSVEncoding is Profile.{i}.CSVEncoding.; what is empty is as in TR-181.
type DefaultBulkCSVEncoding struct {
	FieldSeparator  string `yaml:"field_separator" tr181:"FieldSeparator" doc:"empty: a comma"`
	RowSeparator    string `yaml:"row_separator" tr181:"RowSeparator" doc:"empty: CR LF"`
	EscapeCharacter string `yaml:"escape_character" tr181:"EscapeCharacter" doc:"empty: a double quote"`
	ReportFormat    string `yaml:"report_format" tr181:"ReportFormat" doc:"ParameterPerRow or ParameterPerColumn; empty: ParameterPerColumn"`
	RowTimestamp    string `yaml:"row_timestamp" tr181:"RowTimestamp" doc:"Unix-Epoch, ISO-8601 or None; empty: Unix-Epoch"`
}

// Agent is r as package agent has it.
func (r *Role) Agent() agent.Role {
	out := agent.Role{Name: r.Name}
	for _, p := range r.Permissions {
		out.Permissions = append(out.Permissions, agent.Permission{
			Order: uint32(p.Order), Targets: p.Targets,
			Param: p.Param, Obj: p.Obj, InstantiatedObj: p.InstantiatedObj, CommandEvent: p.CommandEvent,
		})
	}
	return out
}

// Agent is d as package agent has it.
func (d *Defaults) Agent() agent.Defaults {
	out := agent.Defaults{Name: d.Name, Select: d.Select.Selector(), Missing: d.Apply == "missing"}
	for _, c := range d.Controllers {
		out.Controllers = append(out.Controllers, agent.DefaultController{
			EndpointID: usp.EndpointID(c.EndpointID), Role: c.Role, ProvisioningCode: c.ProvisioningCode,
			PeriodicNotifInterval: time.Duration(c.PeriodicNotifInterval),
		})
	}
	for i := range d.Roles {
		out.Roles = append(out.Roles, d.Roles[i].Agent())
	}
	for _, s := range d.seeds() {
		out.Seeds = append(out.Seeds, s.seed)
	}
	return out
}

// seedAt is a Seed with where it is written.
type seedAt struct {
	seed   agent.Seed
	at     string // as subscriptions[0]
	owner  string // the key of its Owner
	of     reflect.Type
	rows   string // the key of its Rows
	rowsOf reflect.Type
}

// seeds are what is given once, in the order in which it is given: what is told is there
// before those who tell it.
func (d *Defaults) seeds() []seedAt {
	var list []seedAt
	add := func(s seedAt, owner string, entry any) {
		v := reflect.ValueOf(entry)
		s.of, s.seed.Owner = v.Type(), usp.EndpointID(owner)
		s.seed.Values = append(s.seed.Values, seedValues("", v)...)
		list = append(list, s)
	}
	for i, b := range d.BootParameters {
		add(seedAt{
			at: fmt.Sprintf("boot_parameters[%d]", i), owner: "controller",
			seed: agent.Seed{Table: agent.TableBootParameter, Key: "ParameterName"},
		}, b.Controller, b)
	}
	for i, b := range d.BulkData {
		s := seedAt{
			at: fmt.Sprintf("bulk_data[%d]", i), owner: "controller", rows: "parameters",
			rowsOf: reflect.TypeFor[DefaultBulkParameter](),
			seed: agent.Seed{
				Table: agent.TableBulkProfile, Key: "Alias", Values: []agent.SeedValue{{Param: "Protocol", Value: "USPEventNotif"}},
			},
		}
		for _, p := range b.Parameters {
			s.seed.Rows = append(s.seed.Rows, agent.Seed{Table: "Parameter.", Values: seedValues("", reflect.ValueOf(p))})
		}
		add(s, b.Controller, b)
	}
	for i, b := range d.Subscriptions {
		add(seedAt{
			at: fmt.Sprintf("subscriptions[%d]", i), owner: "recipient",
			seed: agent.Seed{Table: agent.TableSubscription, Key: "ID"},
		}, b.Recipient, b)
	}
	return list
}

// seedValues are the fields with a parameter; a zero one is left as it is there.
func seedValues(prefix string, v reflect.Value) []agent.SeedValue {
	var list []agent.SeedValue
	for i := range v.NumField() {
		f, param := v.Field(i), v.Type().Field(i).Tag.Get("tr181")
		if param == "" || f.IsZero() {
			continue
		}
		if f.Kind() == reflect.Struct {
			list = append(list, seedValues(prefix+param, f)...)
			continue
		}
		list = append(list, agent.SeedValue{Param: prefix + param, Value: seedText(f)})
	}
	return list
}

func seedText(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case Duration:
		return strconv.FormatInt(int64(time.Duration(x)/time.Second), 10)
	case []string:
		return strings.Join(x, ",")
	default:
		return fmt.Sprint(x)
	}
}

// keyOf is the key of a parameter in a struct.
func keyOf(t reflect.Type, param string) string {
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("tr181")
		if name == param {
			return f.Tag.Get("yaml")
		}
		if rest, ok := strings.CutPrefix(param, name); ok && f.Type.Kind() == reflect.Struct && name != "" {
			return join(f.Tag.Get("yaml"), keyOf(f.Type, rest))
		}
	}
	return ""
}

// place is where in an entry that is which package agent finds wrong.
func (d *Defaults) place(field string) string {
	i, param, ok := cutIndex(field, "seeds")
	if !ok {
		return field
	}
	seeds := d.seeds()
	if i >= len(seeds) {
		return ""
	}
	s := &seeds[i]
	if row, below, ok := cutIndex(param, "rows"); ok {
		return strings.TrimSuffix(fmt.Sprintf("%s.%s[%d].%s", s.at, s.rows, row, keyOf(s.rowsOf, below)), ".")
	}
	switch param {
	case "":
		return s.at + "." + s.owner
	case "rows":
		return s.at + "." + s.rows
	default:
		return strings.TrimSuffix(s.at+"."+keyOf(s.of, param), ".")
	}
}

// cutIndex cuts name[i]. off.
func cutIndex(text, name string) (i int, rest string, ok bool) {
	text, ok = strings.CutPrefix(text, name+"[")
	number, rest, found := strings.Cut(text, "].")
	i, err := strconv.Atoi(number)
	return i, rest, ok && found && err == nil
}

// defaults checks translate.defaults.
func (d *decoder) defaults(cfg *Config) {
	const at = "translate.defaults"
	o := agent.Options{BulkInterval: time.Duration(cfg.Translate.BulkEvery)}
	for _, c := range cfg.Controllers {
		o.Controllers = append(o.Controllers, agent.Controller{EndpointID: usp.EndpointID(c.EndpointID)})
	}
	for i := range cfg.Roles {
		o.Roles = append(o.Roles, cfg.Roles[i].Agent())
	}
	list := cfg.Translate.Defaults
	for i := range list {
		path := fmt.Sprintf("%s[%d]", at, i)
		d.oneOf(path+".apply", list[i].Apply, "new", "missing")
		d.selector(path+".select", &list[i].Select)
		d.wholeSeconds(path, reflect.ValueOf(list[i]))
		o.Defaults = append(o.Defaults, list[i].Agent())
	}
	for _, p := range agent.CheckDefaults(&o) {
		path := fmt.Sprintf("%s[%d]", at, p.Index)
		if p.Index < 0 {
			path = at
		} else if where := list[p.Index].place(p.Field); where != "" {
			path = join(path, where)
		}
		d.invalid(path, p.Text, p.Hint)
	}
}

// wholeSeconds refuses durations that TR-181 cannot have.
func (d *decoder) wholeSeconds(path string, v reflect.Value) {
	if x, ok := v.Interface().(Duration); ok {
		if time.Duration(x)%time.Second != 0 {
			d.invalid(path, x.String()+" is not of whole seconds", "write for example 90s")
		}
		return
	}
	switch v.Kind() { //nolint:exhaustive // others hold no Duration
	case reflect.Struct:
		for i := range v.NumField() {
			d.wholeSeconds(join(path, v.Type().Field(i).Tag.Get("yaml")), v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			d.wholeSeconds(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	}
}
