package config_test

import (
	"strings"
	"testing"

	"github.com/logcluster/logcluster/cmd/logcluster/app"
	"github.com/logcluster/logcluster/cmd/logcluster/config"
	deploy "github.com/logcluster/logcluster/deploy/config"
)

// TestExampleIsValid loads the example as it is, and with everything in it that
// is commented out.
func TestExampleIsValid(t *testing.T) {
	cfg := app.DefaultConfig()
	if err := config.Load(config.Source{Name: "logcluster.yaml", YAML: []byte(deploy.Example)}, &cfg); err != nil {
		t.Fatal(err)
	}
	if cfg.Kafka.Topics[0] != "kubernetes-audit" || cfg.Kafka.Group != "logcluster" {
		t.Errorf("it says something else: %+v", cfg)
	}
	full := uncommented(deploy.Example)
	cfg = app.DefaultConfig()
	if err := config.Load(config.Source{Name: "uncommented", YAML: []byte(full)}, &cfg); err != nil {
		t.Fatalf("%v\n%s", err, full)
	}
	if !cfg.Kafka.Client.TLS.Enabled || cfg.Alert.Loki.OrgID != "security" || cfg.Alert.Alertmanager.Client.BasicAuth.Username == "" {
		t.Errorf("the lines that are commented out have no effect: %+v", cfg)
	}
}

// uncommented turns comments that are configuration into configuration: those
// with a field name and a colon after "# ", indented or at the beginning.
func uncommented(text string) string {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimLeft(line, " ")
		field, isComment := strings.CutPrefix(trimmed, "# ")
		name, _, hasColon := strings.Cut(strings.TrimSpace(field), ":")
		isField := isComment && hasColon && name != "" && strings.ToLower(name) == name && !strings.ContainsAny(name, " /<`")
		if isField {
			line = line[:len(line)-len(trimmed)] + field
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}
