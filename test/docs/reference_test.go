// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"encoding"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/translate/cohort"
)

// reference returns docs/configuration.md: the text of the template with one row
// for each key.
func reference(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	rows(&b, "", reflect.ValueOf(config.Default()))
	return strings.Replace(read(t, "test/docs/testdata/configuration.md"), "TABLE\n", b.String(), 1)
}

// rows writes one row for each key below prefix; v has the defaults.
func rows(b *strings.Builder, prefix string, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := prefix + f.Tag.Get("yaml")
		kind, value := describe(v.Field(i))
		doc := strings.ReplaceAll(f.Tag.Get("doc"), "|", "\\|")
		if prefix == "mtp[]." {
			value = byType(value, f.Name)
			doc = belongsTo(f.Tag.Get("for"), f.Tag.Get("side")) + doc
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", key, kind, value, doc)
		switch kind {
		case "mapping":
			rows(b, key+".", v.Field(i))
		case "list of mappings":
			rows(b, key+"[].", entry(key, f.Type.Elem()))
		}
	}
}

// entry has the defaults of one entry of a list.
func entry(key string, t reflect.Type) reflect.Value {
	if key == "mtp" {
		m := config.DefaultMTP("", "websocket")
		m.Type = ""
		return reflect.ValueOf(m)
	}
	e := reflect.New(t)
	if d, ok := e.Interface().(interface{ SetDefaults() }); ok {
		d.SetDefaults()
	}
	return e.Elem()
}

// byType adds, to the default of an entry of type websocket, those of the other
// types where they differ.
func byType(value, field string) string {
	if field == "Type" {
		return value
	}
	for _, typ := range []string{"mqtt", "stomp", "coap", "uds"} {
		_, other := describe(reflect.ValueOf(config.DefaultMTP("", typ)).FieldByName(field))
		if other != "" && other != value {
			value += ", " + typ + ": " + other
		}
	}
	return strings.TrimPrefix(value, ", ")
}

// belongsTo says which bindings a key is for.
func belongsTo(types, side string) string {
	types = strings.NewReplacer(",", ", ", "/", " ").Replace(types)
	switch {
	case types == "" && side == "":
		return ""
	case side == "":
		return "(" + types + ") "
	case types == "":
		return "(" + side + ") "
	default:
		return "(" + types + "; " + side + ") "
	}
}

// describe returns the type of a value for people, and the value.
func describe(v reflect.Value) (kind, value string) {
	code := func(s string) string { return "`" + s + "`" }
	switch x := v.Interface().(type) {
	case config.Duration:
		return "duration", code(x.String())
	case config.Freshness:
		return "duration, or text", code(x.String())
	case config.Size:
		return "size", code(x.String())
	case config.Secret:
		return "secret", ""
	case cohort.Patterns:
		return "text or list of texts", ""
	case cohort.Percent:
		return "percentage", ""
	case encoding.TextMarshaler:
		return "text", ""
	case []string:
		return "list of texts", code("[" + strings.Join(x, ", ") + "]")
	case []int:
		return "list of numbers", "`[]`"
	}
	switch v.Kind() {
	case reflect.Struct:
		return "mapping", ""
	case reflect.Slice:
		if v.Len() == 0 {
			return "list of mappings", "none"
		}
		return "list of mappings", strconv.Itoa(v.Len()) + " entries"
	case reflect.Bool:
		return "true or false", code(strconv.FormatBool(v.Bool()))
	case reflect.Int:
		return "number", code(strconv.FormatInt(v.Int(), 10))
	default:
		if v.String() == "" {
			return "text", ""
		}
		return "text", code(v.String())
	}
}

func TestConfigurationReference(t *testing.T) {
	t.Parallel()
	const name = "docs/configuration.md"
	want := reference(t)
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, name) != want {
		t.Errorf("%s is not what the code says; run go test ./test/docs -update", name)
	}
}

// Every key of the reference can be set as it says: by its variable.
func TestEveryKeyHasItsVariable(t *testing.T) {
	t.Parallel()
	checked := 0
	for line := range strings.SplitSeq(reference(t), "\n") {
		cells := strings.Split(line, " | ")
		key, ok := strings.CutPrefix(cells[0], "| `")
		if !ok || len(cells) != 4 || !strings.HasPrefix(cells[2], "`") || strings.HasPrefix(cells[1], "list") {
			continue
		}
		key = strings.ReplaceAll(strings.Trim(key, "` "), "[]", ".0")
		lists := []string{
			"controllers.0", "routes.0", "users.0", "aliases.0", "roles.0", "rules.0", "files.0", "defaults.0",
			"freshness_of.0",
		}
		if slices.ContainsFunc(lists, func(list string) bool { return strings.Contains(key, list) }) {
			continue // there is no such entry in the defaults
		}
		variable := "USPGATE_" + strings.ToUpper(strings.ReplaceAll(key, ".", "__"))
		value := strings.Split(cells[2], "`")[1]
		if _, err := config.Parse("", nil, []string{variable + "=" + value}); err != nil {
			t.Errorf("%s=%s: %v", variable, value, err)
		}
		checked++
	}
	if checked < 25 {
		t.Errorf("got %d keys checked, want at least 25", checked)
	}
}
