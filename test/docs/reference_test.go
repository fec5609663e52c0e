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

const referenceHead = `# Configuration

<!-- Made from internal/config: go test ./test/docs -update -->

One YAML file, given to ` + "`serve -c`, `check -c` or `config print -c`" + `; without one the
defaults below are in effect, and everything is on the loopback interface. The
file is strict: an unknown key, a wrong type or a value that is not allowed is a
problem with line, column and remedy, all problems are printed at once, and
nothing is served with one of them. Anchors, aliases and tags are not supported.

A value comes from the default, then the file, then the environment. The
variable of ` + "`cwmp.session_timeout` is `USPGATE_CWMP__SESSION_TIMEOUT`" + `: upper case, two
underscores between levels. An entry of a list is named by its index or, under
` + "`mtp`, by its name: `USPGATE_MTP__WS__LISTEN`" + `. Lists as a whole come from the file
only; a list in the file replaces that of the defaults.

Durations are written ` + "`30s`, `5m`, `24h`; sizes `512KiB`, `5MiB`, `1GiB`, or a number\nof bytes" + `. A secret is shown as dots by ` + "`config print`; with `password_file`" + ` it is read
from a file, without the newline at its end.

Changes take effect with a restart.

| key | type | default | meaning |
|---|---|---|---|
`

const referenceTail = `
The two entries of ` + "`mtp`" + ` that the defaults have are named ` + "`ws` and `mqtt`" + `. A further
entry needs a name, a type and an address of its own; what it leaves out is as
above.

What ` + "`check`" + ` looks at beyond single values:

- A listener of ` + "`mtp` or `cwmp`" + ` on another address than the loopback interface needs
  ` + "`auth.mode` other than `none`, or `insecure: true`" + `.
- ` + "`auth.mode: certificate` needs `tls.client_ca`; `password`, `basic` and `digest`" + ` need
  users.
- ` + "`tls.cert` and `tls.key`, user name and password" + ` of Connection Requests go together.
- Addresses and names are not used twice.
- Endpoint IDs are well formed; topic templates hold ` + "`{endpoint_id}`" + ` once, and those
  of Agents and Controllers differ.
- The rule files in ` + "`translate.mappings_dir`" + ` compile.

It does not open the files of ` + "`tls`" + `: that they fit is found out by ` + "`serve`" + `.
`

// reference returns docs/configuration.md.
func reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	rows(&b, "", reflect.ValueOf(config.Default()))
	b.WriteString(referenceTail)
	return b.String()
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
		switch {
		case kind == "mapping":
			rows(b, key+".", v.Field(i))
		case kind == "list of mappings":
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
	want := reference()
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
	for _, line := range strings.Split(reference(), "\n") {
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
