package ingest

import (
	"fmt"
	"strings"
	"testing"
)

// TestAttributes goes through where attributes come from. The wanted text is
// name=value of each, in order, or the reason of a rejection.
func TestAttributes(t *testing.T) {
	tests := []struct{ name, wanted, fields, want string }{
		{"none wanted", "", `"annotations":{"a":1},"user":{"extra":1}`, ""},
		{"in the order asked for", "source annotations/b user_agent annotations/a", `"annotations":{"a":"1","b":"2"},"sourceIPs":["s","x"],"userAgent":"u"`, "source=s annotations/b=2 user_agent=u annotations/a=1"},
		{"absent and empty are left out", "annotations/a annotations/b annotations/c extra/d extra/e source user_agent", `"annotations":{"a":"","b":null},"user":{"extra":{"d":[],"e":[""]}},"sourceIPs":[]`, ""},
		{"keys with slashes", "annotations/authorization.k8s.io/decision annotations/authorization.k8s.io/reason extra/a/b", `"annotations":{"authorization.k8s.io/reason":"why","authorization.k8s.io/decision":"allow"},"user":{"extra":{"a/b":["v"]}}`, "annotations/authorization.k8s.io/decision=allow annotations/authorization.k8s.io/reason=why extra/a/b=v"},
		{"the first value", "extra/a", `"user":{"extra":{"a":["1","2"]}}`, "extra/a=1"},
		{"of the impersonated user", "extra/a extra/b", `"impersonatedUser":{"username":"x","extra":{"b":["3"]}},"user":{"extra":{"a":["1"],"b":["2"]}}`, "extra/b=3"},
		{"of a user who impersonates nobody", "extra/a", `"impersonatedUser":{"extra":{"a":["3"]}},"user":{"extra":{"a":["1"]}}`, "extra/a=1"},
		{"escaped", "annotations/a", `"annotations":{"\u0061":"caf\u00e9"}`, "annotations/a=café"},
		{"the last of repeated annotations", "annotations/a annotations/b", `"annotations":{"a":"1","b":"1"},"annotations":{"a":"2","a":"3"}`, "annotations/a=3"},
		{"the last of repeated users", "extra/a extra/b", `"user":{"extra":{"a":["1"],"b":["1"]}},"user":{"extra":{"b":["2"],"b":["3"]}}`, "extra/b=3"},
		{"annotations that are null at last", "annotations/a", `"annotations":{"a":"1"},"annotations":null`, ""},
		{"wrong type", "annotations/a", `"annotations":{"a":1}`, "wrong_type"},
		{"wrong type of extra fields", "extra/a", `"user":{"extra":[]}`, "wrong_type"},
		{"wrong type of an extra field", "extra/a", `"user":{"extra":{"a":"1"}}`, "wrong_type"},
		{"wrong type of an unwanted extra field", "extra/a", `"user":{"extra":{"a":["1"],"b":"1"}}`, "extra/a=1"},
		{"masked", "annotations/a", `"annotations":{"a":"of ` + plantedAWS + `"}`, "annotations/a=of [redacted:aws_key]"},
		{"cut", "annotations/a", `"annotations":{"a":"` + strings.Repeat("x", 70) + `"}`, "annotations/a=" + strings.Repeat("x", 64)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Attributes, cfg.MaxFieldBytes = strings.Fields(test.wanted), 64
			if err := cfg.Validate(); err != nil {
				t.Fatal(err)
			}
			d := NewDecoder(cfg)
			for range 2 { // the second event must not see the first
				if got := attributesOf(d, event(`"verb"`, test.fields+`,"verb"`)); got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
			}
			if got := attributesOf(d, list(item("1"))); got != "" {
				t.Errorf("an event without any has %q", got)
			}
		})
	}
}

func attributesOf(d *Decoder, record string) string {
	events, result, _ := decodeAll(d, []byte(record))
	if len(events) == 0 {
		return strings.Join(reasonsOf(&result), " ")
	}
	var got []string
	for _, a := range events[0].Attributes {
		got = append(got, a.Name+"="+a.Value)
	}
	return strings.Join(got, " ")
}

func reasonsOf(result *Result) (reasons []string) {
	for _, r := range Reasons() {
		if result.Rejected[r] > 0 {
			reasons = append(reasons, r.String())
		}
	}
	return reasons
}

// What is masked is counted once, also where the event has it twice.
func TestAttributesAreMaskedOnce(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Attributes = []string{"user_agent", "source", "annotations/authorization.k8s.io/reason", "annotations/a"}
	record := fmt.Sprintf(`"userAgent":%[1]q,"sourceIPs":[%[1]q],"annotations":{"authorization.k8s.io/reason":%[1]q,"a":%[1]q},"verb"`, plantedAWS)
	events, result, err := decodeAll(NewDecoder(cfg), []byte(event(`"verb"`, record)))
	if err != nil || result.Redacted != 4 || len(events[0].Attributes) != 4 || strings.Contains(fmt.Sprint(events), plantedAWS) {
		t.Errorf("%+v, error %v, %+v", result, err, events)
	}
}

func TestValidateAttributes(t *testing.T) {
	for name, want := range map[string]string{
		"": "none of", "annotations": "none of", "annotations/": "none of", "extra/": "none of", "Extra/a": "none of", "user": "none of",
		"source": "given twice",
	} {
		c := DefaultConfig()
		c.Attributes = []string{"source", "annotations/a", "extra/a", "user_agent", name}
		if err := fmt.Sprint(c.Validate()); !strings.Contains(err, want) || !strings.Contains(err, fmt.Sprintf("%q", name)) {
			t.Errorf("%q: error %s, want %s", name, err, want)
		}
	}
}
