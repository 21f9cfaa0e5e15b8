package kafka

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.yaml.in/yaml/v3"
)

func TestDefaultsNeedOnlyAddressesAndTopics(t *testing.T) {
	c := DefaultConfig()
	wantContains(t, fmt.Sprint(c.Validate()), "brokers: none given", "topics: none given")
	c.Client.Brokers, c.Topics = []string{"localhost:9092"}, []string{"audit"}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	d, w := DefaultDeadLetterConfig(), DefaultWriterConfig()
	d.Client, w.Client, w.Topic = c.Client, c.Client, "audit"
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	if err := w.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateNamesEveryProblem(t *testing.T) {
	c := DefaultConfig()
	c.Client.Brokers = []string{""}
	c.Client.TLS.CertFile = "cert.pem"
	c.Client.SASL = SASLConfig{Mechanism: "GSSAPI"}
	c.Topics, c.Group, c.Start = []string{"a", "a", ""}, "", "yesterday"
	c.SessionTimeout, c.PollRecords, c.FetchMaxBytes = time.Hour, 0, -1
	wantContains(t, fmt.Sprint(c.Validate()),
		"brokers: an empty address", "cert_file and key_file", `sasl.mechanism: "GSSAPI"`, "sasl.username",
		"exactly one of password", `topics: "a" is given twice`, "topics: an empty name", "group: empty",
		`start: "yesterday"`, "session_timeout: 1h0m0s", "poll_records: 0", "fetch_max_bytes: -1")

	d := DefaultDeadLetterConfig()
	d.Client.Brokers, d.Topic, d.Rate, d.Queue = []string{"x:1"}, "", 0, 0
	wantContains(t, fmt.Sprint(d.Validate()), "topic: empty", "rate: 0", "queue: 0")
}

func TestConfigFromYAML(t *testing.T) {
	c := DefaultConfig()
	text := `
brokers: [a:1, b:2]
topics: [audit]
start: latest
session_timeout: 12s
sasl: {mechanism: PLAIN, username: u, password: hunter2}
tls: {enabled: true, server_name: kafka.example}
`
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if c.SessionTimeout != 12*time.Second || c.Client.SASL.Password.Reveal() != "hunter2" || len(c.Client.Brokers) != 2 {
		t.Errorf("%+v", c)
	}
	// No way of printing tells the password.
	asYAML, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("config", "config", c, "password", c.Client.SASL.Password)
	for _, printed := range []string{
		string(asYAML), string(asJSON), log.String(),
		fmt.Sprintf("%v %+v %#v %s", c, c, c, c.Client.SASL.Password),
	} {
		if strings.Contains(printed, "hunter2") || !strings.Contains(printed, masked) {
			t.Errorf("printed as %s", printed)
		}
	}
}

func TestPasswordSources(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_KAFKA_PASSWORD", "from environment")
	for want, c := range map[string]SASLConfig{
		"from file":        {PasswordFile: file},
		"from environment": {PasswordEnv: "TEST_KAFKA_PASSWORD"},
		"itself":           {Password: NewSecret("itself")},
	} {
		if got, err := c.password(); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	for _, c := range []SASLConfig{{}, {PasswordFile: file + "x"}, {PasswordEnv: "TEST_KAFKA_NO_PASSWORD"}} {
		c.Mechanism = SASLPlain
		if _, err := c.mechanism(); err == nil {
			t.Errorf("%+v gives a mechanism", c)
		}
	}
}

func TestLogsInWithEveryMechanism(t *testing.T) {
	for _, mechanism := range []string{SASLPlain, SASLScramSHA256, SASLScramSHA512} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "admin", "right"), kfake.SeedTopics(1, "audit"))
			cfg := sessionConfig(c, "audit")
			cfg.Client.SASL = SASLConfig{Mechanism: mechanism, Username: "admin", Password: NewSecret("right")}
			start(t, NewSession(cfg, newCollector(), Options{}))
			cfg.Client.SASL.Password = NewSecret("wrong")
			wantContains(t, failure(t, NewSession(cfg, newCollector(), Options{})), "list topics")
		})
	}
}
