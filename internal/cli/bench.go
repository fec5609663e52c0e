// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/uspgate/uspgate/internal/bench"
	"github.com/uspgate/uspgate/usp"
)

func benchCommand(env Env) *cobra.Command {
	return group("bench", "Measure a running gateway", benchRelayCommand(env))
}

// benchRelay holds the flags of bench relay.
type benchRelay struct {
	out          output
	load         bench.Options
	phase        bench.Phase
	fromID, toID string
	qos          int
}

func benchRelayCommand(env Env) *cobra.Command {
	r := benchRelay{out: output{to: env.Stdout}}
	cmd := &cobra.Command{
		Use:   "relay --from URL --to URL",
		Short: "Send Records through a gateway and measure rate, latency and CPU time",
		Long: "Connect an Agent and a Controller of its own to a gateway, or to any broker, and send Records from\n" +
			"the one to the other. URLs are ws://HOST:PORT/PATH, mqtt://HOST:PORT, mqtt311://HOST:PORT,\n" +
			"stomp://HOST:PORT, coap://HOST:PORT/PATH (--from only) or unix:///PATH, without TLS. With\n" +
			"--server-pid the CPU time of that process per Record is measured as well.",
		Example: "  uspgate bench relay --from mqtt://127.0.0.1:1883 --to ws://127.0.0.1:8080/usp --qos 1\n" +
			"  uspgate bench relay --from ws://127.0.0.1:8080/usp --to ws://127.0.0.1:8080/usp \\\n" +
			"    --records 1000000 --server-pid $(pidof uspgate) -o json",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return r.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&r.load.From.URL, "from", "", "where the Agent connects, which sends")
	f.StringVar(&r.load.To.URL, "to", "", "where the Controller connects, which receives")
	f.StringVar(&r.fromID, "from-id", "os::00D09E-bench", "Endpoint ID of the Agent")
	f.StringVar(&r.toID, "to-id", "self::bench", "Endpoint ID of the Controller")
	f.StringVar(&r.load.From.Address, "from-address", "", "MQTT topic or STOMP destination of the Agent")
	f.StringVar(&r.load.To.Address, "to-address", "", "MQTT topic or STOMP destination of the Controller")
	f.IntVar(&r.qos, "qos", 0, "QoS of MQTT, 0 or 1")
	f.IntVar(&r.load.Size, "size", bench.DefaultSize, "bytes of a Record")
	f.IntVar(&r.load.Window, "window", bench.DefaultWindow, "Records that may be on their way")
	f.Uint64Var(&r.phase.Records, "records", 0, "Records to send; 0: as many as pass in --duration")
	f.DurationVar(&r.phase.Duration, "duration", 0, "how long to measure; 5s without --records")
	f.DurationVar(&r.phase.Warm, "warm-up", time.Second, "how long to send before that")
	f.IntVar(&r.phase.Process, "server-pid", 0, "process whose CPU time is measured")
	r.out.flag(cmd)
	return cmd
}

func (r *benchRelay) run(cmd *cobra.Command) error {
	if err := r.check(); err != nil {
		return err
	}
	load, err := bench.Dial(cmd.Context(), r.load)
	if err != nil {
		return err
	}
	defer load.Close()
	result, err := load.Run(cmd.Context(), r.phase)
	if err != nil {
		return err
	}
	return r.print(&result)
}

func (r *benchRelay) check() error {
	if err := r.out.check(); err != nil {
		return err
	}
	if r.load.From.URL == "" || r.load.To.URL == "" {
		return usageError{errors.New("--from and --to are needed: where the two sides connect")}
	}
	if r.qos != 0 && r.qos != 1 {
		return usageError{fmt.Errorf("--qos %d is not known, write 0 or 1", r.qos)}
	}
	r.load.QoS = byte(r.qos)
	for flag, id := range map[string]*string{"--from-id": &r.fromID, "--to-id": &r.toID} {
		if _, err := usp.ParseEndpointID(*id); err != nil {
			return usageError{fmt.Errorf("%s: %w", flag, err)}
		}
	}
	r.load.From.Endpoint, r.load.To.Endpoint = usp.EndpointID(r.fromID), usp.EndpointID(r.toID)
	if r.phase.Records == 0 && r.phase.Duration == 0 {
		r.phase.Duration = 5 * time.Second
	}
	return nil
}

// benchResult is the JSON of bench relay. Times are in microseconds.
type benchResult struct {
	From    string  `json:"from"`
	To      string  `json:"to"`
	QoS     byte    `json:"qos"`
	Size    int     `json:"size"`
	Window  int     `json:"window"`
	Records uint64  `json:"records"`
	Seconds float64 `json:"seconds"`
	Rate    float64 `json:"records_per_second"`
	P50     float64 `json:"latency_p50_us"`
	P99     float64 `json:"latency_p99_us"`
	CPU     float64 `json:"server_cpu_us_per_record,omitempty"`
}

func (r *benchRelay) print(b *bench.Result) error {
	res := benchResult{
		From: shownURL(r.load.From.URL), To: shownURL(r.load.To.URL), QoS: r.load.QoS, Size: r.load.Size,
		Window: r.load.Window, Records: b.Records, Seconds: b.Elapsed.Seconds(), Rate: b.Rate(),
		P50: micros(b.P50), P99: micros(b.P99), CPU: micros(b.CPUPerRecord()),
	}
	if done, err := r.out.json(&res); done || err != nil {
		return err
	}
	w := tabwriter.NewWriter(r.out.to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FROM\tTO\tQOS\tSIZE\tRECORDS\tRATE\tP50\tP99\tSERVER CPU")
	cpu := "-"
	if r.phase.Process != 0 {
		cpu = fmt.Sprintf("%.2f µs/Record", res.CPU)
	}
	fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%.0f/s\t%.0f µs\t%.0f µs\t%s\n",
		res.From, res.To, res.QoS, res.Size, res.Records, res.Rate, res.P50, res.P99, cpu)
	return w.Flush()
}

// shownURL is a URL without its password.
func shownURL(raw string) string {
	v := via{url: raw}
	return v.shown()
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
