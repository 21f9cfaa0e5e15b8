package detection_test

import (
	"flag"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/logcluster/logcluster/bench/detection"
	"github.com/logcluster/logcluster/bench/stream"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
)

var (
	sweep     = flag.Bool("sweep", false, "print the detection at half and double of every constant")
	sweepOnly = flag.String("sweep-only", "", "a regular expression of the constants to sweep; empty for all")
)

// knob is one number of a configuration, found by reflection so that a new one
// cannot be forgotten.
type knob struct {
	name string
	path []int
	kind reflect.Type
}

// knobs lists every number and switch below a configuration.
func knobs(t reflect.Type, name string, path []int) []knob {
	var out []knob
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(append([]int(nil), path...), i)
		tag, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || tag == "-" {
			continue
		}
		below := name + "." + tag
		switch {
		case tag == "" && options != "inline":
			below = name + "." + strings.ToLower(f.Name)
		case options == "inline":
			below = name
		}
		below = strings.TrimPrefix(below, ".")
		switch f.Type.Kind() {
		case reflect.Struct:
			out = append(out, knobs(f.Type, below, at)...)
		case reflect.Int, reflect.Int64, reflect.Float64, reflect.Bool:
			out = append(out, knob{below, at, f.Type})
		}
	}
	return out
}

// value returns the knob's value as people write it.
func (k *knob) value(cfg *engine.Config) string {
	v := reflect.ValueOf(cfg).Elem().FieldByIndex(k.path)
	if d, ok := v.Interface().(time.Duration); ok {
		s := d.String()
		s = strings.TrimSuffix(s, "0s")
		if strings.HasSuffix(s, "h0m") {
			s = strings.TrimSuffix(s, "0m")
		}
		if s == "" {
			s = "0"
		}
		return s
	}
	return fmt.Sprint(v.Interface())
}

// turned returns the configuration with the knob multiplied, a switch turned.
// It fails where that is not valid.
func (k *knob) turned(by float64) (engine.Config, error) {
	cfg := engine.DefaultConfig()
	v := reflect.ValueOf(&cfg).Elem().FieldByIndex(k.path)
	switch k.kind.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Float64:
		v.SetFloat(v.Float() * by)
	default:
		v.SetInt(int64(math.Round(float64(v.Int()) * by)))
	}
	stages := reflect.ValueOf(cfg)
	for i := range stages.NumField() {
		if c, ok := stages.Field(i).Interface().(interface{ Validate() error }); ok {
			if err := c.Validate(); err != nil {
				return cfg, err
			}
		}
	}
	return cfg, nil
}

// Every knob of every stage is in the sweep.
func TestKnobsAreAllFound(t *testing.T) {
	found := knobs(reflect.TypeFor[engine.Config](), "", nil)
	names := make(map[string]bool)
	for i := range found {
		names[found[i].name] = true
		if _, err := found[i].turned(1); err != nil && found[i].kind.Kind() != reflect.Bool {
			t.Errorf("%s: %v", found[i].name, err)
		}
	}
	for _, want := range []string{"cluster.window", "cluster.max_clusters", "baseline.clip_z", "families.cut", "anomaly.fire_after", "anomaly.risk_weights"} {
		if !names[want] {
			t.Errorf("%s is not swept; there are %d knobs", want, len(found))
		}
	}
	if len(names) != len(found) {
		t.Errorf("%d knobs have %d names", len(found), len(names))
	}
}

// TestSweep prints the table of ARCHITECTURE.md: what the detection is at half and
// at double of every number of the configuration.
//
//	go test ./bench/detection -run Sweep -sweep -timeout 2h -v
func TestSweep(t *testing.T) {
	if !*sweep {
		t.Skip("a table for people: ask for it with -sweep")
	}
	only := regexp.MustCompile(*sweepOnly)
	r := load(t, stream.ByRole())
	base, _ := replay(r, engine.DefaultConfig())
	fmt.Printf("As shipped: %s.\n\n", worth(&base))
	fmt.Println("| constant | found (exactly, in time), half / double | false alerts a day, half / double |")
	fmt.Println("|---|---|---|")
	shipped := engine.DefaultConfig()
	for _, k := range knobs(reflect.TypeFor[engine.Config](), "", nil) {
		if !only.MatchString(k.name) {
			continue
		}
		half := k.judge(r, 0.5)
		found, wrong := half.found, half.wrong
		if k.kind.Kind() != reflect.Bool {
			double := k.judge(r, 2)
			found, wrong = found+" / "+double.found, wrong+" / "+double.wrong
		}
		fmt.Printf("| `%s` %s | %s | %s |\n", k.name, k.value(&shipped), found, wrong)
	}
}

// cell is what a knob comes to at one value.
type cell struct{ found, wrong string }

// judge replays with the knob turned. One that has no valid value there says so.
func (k *knob) judge(r *stream.Recording, by float64) cell {
	cfg, err := k.turned(by)
	if err != nil {
		return cell{"–", "–"}
	}
	p, _ := replay(r, cfg)
	return cell{fmt.Sprintf("%d (%d, %d)", p.Found, p.Exact, p.InTime), fmt.Sprintf("%.1f", p.FalsePerDay.Value)}
}

func worth(p *detection.Report) string {
	return fmt.Sprintf("%d of %d found, %d exactly, %d in time, %.1f false alerts a day", p.Found, p.Incidents, p.Exact, p.InTime, p.FalsePerDay.Value)
}
