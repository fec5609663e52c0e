// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"encoding"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/config"
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
		if prefix == "mtp[]." {
			value = alsoForMQTT(value, f.Name)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", key, kind, value, strings.ReplaceAll(f.Tag.Get("doc"), "|", "\\|"))
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
	return reflect.Zero(t)
}

// alsoForMQTT adds the default of an entry of type mqtt to that of one of type
// websocket, where it is another.
func alsoForMQTT(value, field string) string {
	if field == "Type" {
		return value
	}
	_, other := describe(reflect.ValueOf(config.DefaultMTP("", "mqtt")).FieldByName(field))
	if other == "" || other == value {
		return value
	}
	return value + ", mqtt: " + other
}

// describe returns the type of a value for people, and the value.
func describe(v reflect.Value) (kind, value string) {
	code := func(s string) string { return "`" + s + "`" }
	switch x := v.Interface().(type) {
	case config.Duration:
		return "duration", code(x.String())
	case config.Size:
		return "size", code(x.String())
	case config.Secret:
		return "secret", ""
	case encoding.TextMarshaler:
		return "text", ""
	case []string:
		return "list of texts", "`[]`"
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
		if strings.Contains(key, "controllers.0") || strings.Contains(key, "routes.0") || strings.Contains(key, "users.0") {
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
