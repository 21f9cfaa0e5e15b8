package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// sample is a configuration with a field of every kind.
type sample struct {
	Name   string        `yaml:"name"`
	Every  time.Duration `yaml:"every"`
	On     bool          `yaml:"on"`
	Ratio  float64       `yaml:"ratio"`
	Small  int8          `yaml:"small"`
	Count  uint32        `yaml:"count"`
	Maybe  *int          `yaml:"maybe"`
	Addr   netip.Addr    `yaml:"addr"`
	Sink   sink          `yaml:"sink"`
	Other  *sink         `yaml:"other"`
	Sinks  []sink        `yaml:"sinks"`
	Labels labels        `yaml:"labels"`
	Shared shared        `yaml:",inline"`
	Hidden string        `yaml:"-"`
	Plain  string
}

// above has a section without a Validate method that inlines one with it.
type above struct {
	Alert struct {
		Sink  sink `yaml:",inline"`
		Limit int  `yaml:"limit"`
		More  size `yaml:"more"`
	} `yaml:"alert"`
}

// size words its objection without a colon after the field.
type size struct {
	Max int `yaml:"max"`
}

func (s size) Validate() error { return fmt.Errorf("max %d: must be positive", s.Max) }

func TestObjectionsOfWhatIsInlined(t *testing.T) {
	err := Load(Source{Name: "f", YAML: []byte("alert:\n  limit: 3\n  url: a b\n  more:\n    max: 0\n")}, &above{})
	want := "f:3: alert.url: \"a b\" has a space\nf:5: alert.more.max: 0: must be positive"
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

// byName objects to what stands below names that the file chooses.
type byName struct {
	Sinks map[string]sink `yaml:"sinks"`
}

func (b *byName) Validate() error {
	return fmt.Errorf("sinks.north: hosts[0]: %w", errors.Join(errors.New("names no host"), errors.New("port: 0 is too small")))
}

func TestObjectionsBelowNames(t *testing.T) {
	err := Load(Source{Name: "f", YAML: []byte("sinks:\n  north:\n    hosts: [x]\n")}, &byName{})
	want := "f:3: sinks.north.hosts[0]: names no host\nf:3: sinks.north.hosts[0].port: 0 is too small"
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

func TestUnusedSections(t *testing.T) {
	err := Load(Source{Name: "f", YAML: []byte("sink: {url: a b}\nother: {url: c d}\n"), Unused: []string{"sink"}}, &sample{})
	if want := "f:2: other.url: \"c d\" has a space"; err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

type labels map[string]string

type shared struct {
	Zone string `yaml:"zone"`
}

type sink struct {
	URL          string   `yaml:"url"`
	Hosts        []string `yaml:"hosts"`
	Password     string   `yaml:"password"`
	PasswordFile string   `yaml:"password_file"`
	Ports        []int    `yaml:"ports"`
}

func (s *sink) Validate() error {
	var errs []error
	if strings.Contains(s.URL, " ") {
		errs = append(errs, fmt.Errorf("url: %q has a space", s.URL))
	}
	for i, h := range s.Hosts {
		if h == "bad" {
			errs = append(errs, fmt.Errorf("hosts[%d]: is bad", i))
		}
	}
	return errors.Join(errs...)
}

func TestLoad(t *testing.T) {
	seven := 7
	tests := map[string]struct {
		yaml string
		set  []string
		want sample // compared when problems is empty
		// problems are the lines of the error.
		problems []string
	}{
		"empty":         {},
		"comments only": {yaml: "# nothing\n\n# here\n"},
		"null document": {yaml: "---\n"},
		"all kinds": {
			yaml: `
name: a
every: 1h30m
on: true
ratio: 0.5
small: -3
count: 4294967295
maybe: 7
addr: 192.0.2.1
sink: {url: "http://x", hosts: [a, b], ports: [1, 0x10]}
other:
  url: http://y
sinks:
  - url: one
  - url: two
labels: {a: 1, b: x}
zone: z
plain: p
`,
			want: sample{
				Name: "a", Every: 90 * time.Minute, On: true, Ratio: .5, Small: -3, Count: 1<<32 - 1,
				Maybe: &seven, Addr: netip.MustParseAddr("192.0.2.1"),
				Sink:   sink{URL: "http://x", Hosts: []string{"a", "b"}, Ports: []int{1, 16}},
				Other:  &sink{URL: "http://y"},
				Sinks:  []sink{{URL: "one"}, {URL: "two"}},
				Labels: labels{"a": "1", "b": "x"},
				Shared: shared{Zone: "z"}, Plain: "p",
			},
		},
		"a section with every line commented out": {yaml: "sink:\n#  url: x\nname: b\n", want: sample{Name: "b"}},
		"settings win, the last one most": {
			yaml: "name: file\nsinks: [{url: a}, {url: b}]",
			set: []string{
				"name=one", "name=t=w o: #", "sink.hosts=x, y,z", "sink.ports=[1, 2]", "other.url=u",
				"sinks[1].url=c", "maybe=7", "labels={k: v}", "every=0",
			},
			want: sample{
				Name: "t=w o: #", Sink: sink{Hosts: []string{"x", "y", "z"}, Ports: []int{1, 2}},
				Other: &sink{URL: "u"}, Maybe: &seven, Labels: labels{"k": "v"},
				Sinks: []sink{{URL: "a"}, {URL: "c"}},
			},
		},
		"an empty list by setting": {set: []string{"sink.hosts="}, want: sample{Sink: sink{Hosts: []string{}}}},
		"everything wrong at once": {
			yaml: `naem: a
name: b
name: c
every: 10
on: yes
ratio: .nan
small: 128
count: -1
maybe: x
addr: nowhere
sink:
  url: "a b"
  hosts: [good, bad]
  urll: c
sinks:
  url: d
labels: [e]
zone:
plain: {f: g}
other: 5
`,
			problems: []string{
				"f.yaml:1: naem: unknown field: did you mean name?",
				"f.yaml:3: name: is given twice, first in line 2",
				`f.yaml:4: every: "10" is not a duration such as 90s, 10m or 1h30m`,
				`f.yaml:5: on: "yes" is not true or false`,
				`f.yaml:6: ratio: ".nan" is not a number`,
				`f.yaml:7: small: "128" is not a whole number`,
				`f.yaml:8: count: "-1" is not a whole number of 0 or more`,
				`f.yaml:9: maybe: "x" is not a whole number`,
				`f.yaml:10: addr: "nowhere": ParseAddr("nowhere"): unable to parse IP`,
				`f.yaml:12: sink.url: "a b" has a space`,
				`f.yaml:13: sink.hosts[1]: is bad`,
				"f.yaml:14: sink.urll: unknown field: did you mean url?",
				"f.yaml:16: sinks: is a list, not a section of fields",
				"f.yaml:17: labels: is a section of names and values, not a list",
				"f.yaml:18: zone: has no value: leave the line out to use the default",
				"f.yaml:19: plain: is a text, not a section of fields",
				`f.yaml:20: other: is a section of fields, not the value "5"`,
			},
		},
		"objections in lists and pointers": {
			yaml: "sinks:\n- url: ok\n- {url: x,\n   hosts: [bad]}\nother:\n  url: 'c d'\n",
			problems: []string{
				"f.yaml:4: sinks[1].hosts[0]: is bad",
				`f.yaml:6: other.url: "c d" has a space`,
			},
		},
		"wrong settings": {
			yaml: "sinks: [{url: a}]",
			set: []string{
				"name", "=x", "nmae=x", "name.x=y", "sink=x", "sinks[1].url=x", "sinks[-1].url=x", "sinks[0.url=x",
				"every=1", "sink.ports=1,b", "labels=3", "sink.url=a b", "sinks=[", "name[0]=1",
			},
			problems: []string{
				`--set: "name" is not path.to.field=value`,
				`--set: "=x" is not path.to.field=value`,
				"--set: nmae: unknown field: did you mean name?",
				"--set: name.x: unknown field: there is nothing below name",
				"--set: sink: is a section of fields: set one of them",
				"--set: sinks[1].url: sinks has no item [1]",
				"--set: sinks[-1].url: sinks has no item [-1]",
				"--set: sinks[0.url: sinks has no item [0",
				`--set: every: "1" is not a duration such as 90s, 10m or 1h30m`,
				`--set: sink.ports[1]: "b" is not a whole number`,
				`--set: labels: is a section of names and values, not the value "3"`,
				`--set: sinks: "[" is not YAML such as [a, b] or {name: value}`,
				"--set: name[0]: name has no item [0]",
				`--set: sink.url: "a b" has a space`,
			},
		},
		"not YAML":         {yaml: "a: b\n  c: [", problems: []string{"f.yaml:2: mapping values are not allowed in this context"}},
		"not a section":    {yaml: "- a\n", problems: []string{"f.yaml:1: is a section of fields, not a list"}},
		"two documents":    {yaml: "name: a\n---\nname: b\n", problems: []string{"f.yaml:2: a second document (after ---): one file holds one configuration"}},
		"anchors":          {yaml: "name: &a x\nplain: *a\n", problems: []string{"f.yaml:1: name: anchors and aliases are not supported", "f.yaml:2: plain: anchors and aliases are not supported"}},
		"keys of any kind": {yaml: "[a]: b\n{c: d}: e\n1: f\n", problems: []string{"f.yaml:1: a field name must be plain text", "f.yaml:2: a field name must be plain text", "f.yaml:3: 1: unknown field"}},
		"a long value is not repeated whole": {
			yaml: "every: " + strings.Repeat("é", 100), problems: []string{`f.yaml:1: every: "` + strings.Repeat("é", 40) + `…" is not a duration such as 90s, 10m or 1h30m`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got sample
			err := Load(Source{Name: "f.yaml", YAML: []byte(test.yaml), Set: test.set}, &got)
			if want := strings.Join(test.problems, "\n"); want != "" {
				if err == nil || err.Error() != want {
					t.Errorf("problems:\n%v\nwant:\n%s", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v\nwant %+v", got, test.want)
			}
		})
	}
}

// root objects for all of its sections, as an application's configuration may.
type root struct {
	Alert struct {
		Loki sink `yaml:"loki"`
	} `yaml:"alert"`
}

func (r *root) Validate() error {
	return errors.Join(
		fmt.Errorf("alert: %w", errors.Join(errors.New("loki.url: one"), errors.New("loki.ports: two"))),
		fmt.Errorf("alert.loki.hosts: %w", os.ErrNotExist),
		errors.New("alert.loki.password: five"),
		errors.New("neither here nor there"),
	)
}

func TestObjectionsOfTheRoot(t *testing.T) {
	err := Load(Source{Name: "f", YAML: []byte("alert:\n  loki:\n    url: x\n    hosts: []\n")}, &root{})
	want := `f:2: alert.loki.ports: two
f:2: alert.loki.password: five
f:3: alert.loki.url: one
f:4: alert.loki.hosts: file does not exist
neither here nor there`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	if Validate(&root{}) == nil {
		t.Error("Validate has no objection")
	}
	if err := Validate(&sample{}); err != nil {
		t.Error(err)
	}
}

func TestLoadFile(t *testing.T) {
	var got sample
	if err := LoadFile("", Source{Set: []string{"name=x"}}, &got); err != nil || got.Name != "x" {
		t.Errorf("no file: %v, %q", err, got.Name)
	}
	if err := LoadFile(filepath.Join(t.TempDir(), "absent.yaml"), Source{}, &got); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	big := filepath.Join(t.TempDir(), "big.yaml")
	if err := os.WriteFile(big, make([]byte, MaxFileBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := LoadFile(big, Source{}, &got); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("big file: %v", err)
	}
	if err := Load(Source{}, sample{}); err == nil {
		t.Error("a struct that cannot be filled is accepted")
	}
}

func TestMarshal(t *testing.T) {
	two := 2
	cfg := &sample{
		Name: "true", Every: time.Hour, On: true, Ratio: 1e9, Maybe: &two, Addr: netip.MustParseAddr("::1"),
		Sink: sink{
			URL: "https://user:hunter2@loki:3100/x?y=z", Hosts: []string{"a"},
			Password: "hunter2", PasswordFile: "/etc/password",
		},
		Labels: labels{"b": "2", "a": "x: y", "Authorization": "hunter2"},
	}
	got, err := Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := `name: "true"
every: 1h
on: true
ratio: 1e+09
small: 0
count: 0
maybe: 2
addr: ::1
sink:
  url: https://<secret>@loki:3100/x?y=z
  hosts:
    - a
  password: <secret>
  password_file: /etc/password
  ports: []
other: null
sinks: []
labels:
  Authorization: <secret>
  a: 'x: y'
  b: "2"
zone: ""
plain: ""
`
	if string(got) != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if strings.Contains(string(got), "hunter2") {
		t.Error("a secret is printed")
	}
}

func TestMarshalledLoadsAgain(t *testing.T) {
	three := 3
	want := sample{
		Name: "- odd: \"#", Every: 61 * time.Second, Ratio: 0.1, Maybe: &three, Addr: netip.MustParseAddr("10.0.0.1"),
		Sink: sink{URL: "null", Hosts: []string{"", "~"}, Ports: []int{}}, Other: &sink{Hosts: []string{}, Ports: []int{}},
		Sinks: []sink{{URL: "1", Hosts: []string{}, Ports: []int{}}}, Labels: labels{"on": "yes"}, Shared: shared{Zone: "\x1b[2J\n<b>"},
	}
	b, err := Marshal(&want)
	if err != nil {
		t.Fatal(err)
	}
	var got sample
	if err := Load(Source{YAML: b}, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v\nby\n%s", got, want, b)
	}
}

func TestFields(t *testing.T) {
	cfg := &sample{Name: "n", Every: 90 * time.Second, Sink: sink{Hosts: []string{"h"}}, Labels: labels{"k": "v"}}
	var got strings.Builder
	for _, f := range Fields(cfg) {
		fmt.Fprintf(&got, "%s | %s | %s | %s.%s\n", f.Path, f.Type, f.Default, f.Struct, f.Name)
	}
	want := `name | text | "n" | sample.Name
every | duration | 1m30s | sample.Every
on | true or false | false | sample.On
ratio | number | 0 | sample.Ratio
small | whole number | 0 | sample.Small
count | whole number of 0 or more | 0 | sample.Count
maybe | whole number |  | sample.Maybe
addr | text | "" | sample.Addr
sink | section of fields |  | sample.Sink
sink.url | text | "" | sink.URL
sink.hosts | list of text | ["h"] | sink.Hosts
sink.password | text | "" | sink.Password
sink.password_file | text | "" | sink.PasswordFile
sink.ports | list of whole number | [] | sink.Ports
other | section of fields |  | sample.Other
other.url | text | "" | sink.URL
other.hosts | list of text | [] | sink.Hosts
other.password | text | "" | sink.Password
other.password_file | text | "" | sink.PasswordFile
other.ports | list of whole number | [] | sink.Ports
sinks | list of section of fields | [] | sample.Sinks
sinks[].url | text | "" | sink.URL
sinks[].hosts | list of text | [] | sink.Hosts
sinks[].password | text | "" | sink.Password
sinks[].password_file | text | "" | sink.PasswordFile
sinks[].ports | list of whole number | [] | sink.Ports
labels | names, each with a text | {k: "v"} | sample.Labels
zone | text | "" | shared.Zone
plain | text | "" | sample.Plain
`
	if got.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
	}
}

// FuzzLoad checks that no file and no setting panics, and that whatever loads
// can be printed and loaded again.
func FuzzLoad(f *testing.F) {
	f.Add("name: a\nsink: {url: b}", "sinks[0].url=c")
	f.Add("a: &a [*a]", "labels={a: b}")
	f.Add("? [x]\n: y\n--- \n!!binary z", "sink.hosts=[a, [b]]")
	f.Add("<<: {name: x}\nevery: 1e9", "other.ports=1,2")
	f.Add("sinks: [~, {}, ]\nother: ~", "maybe=0b1")
	f.Fuzz(func(t *testing.T, text, set string) {
		var cfg sample
		if err := Load(Source{Name: "f", YAML: []byte(text), Set: []string{set}}, &cfg); err != nil {
			return
		}
		b, err := Marshal(&cfg)
		if err != nil {
			t.Fatalf("marshal: %v", err)
		}
		var again sample
		if err := Load(Source{YAML: b}, &again); err != nil && cfg.Addr.IsValid() {
			t.Fatalf("load what was printed: %v\n%s", err, b)
		}
	})
}
