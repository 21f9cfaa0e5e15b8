package detection

import (
	"os"
	"strings"
	"testing"
)

const valid = `{
  "virtual_start": "2026-03-02T00:00:00Z", "virtual_end": "2026-03-03T00:00:00Z",
  "incidents": [{"id": "i1", "name": "n", "technique": "T1", "start": "2026-03-02T01:00:00Z",
    "end": "2026-03-02T02:00:00Z", "actors": ["a"], "roles": null, "audit_ids": ["x"]}],
  "benign_changes": []
}`

func TestParseLabels(t *testing.T) {
	l, err := ParseLabels([]byte(valid))
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Incidents) != 1 || l.Incidents[0].Actors[0] != "a" || l.End.Sub(l.Start).Hours() != 24 {
		t.Errorf("%+v", l)
	}
}

func TestParseLabelsSaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"syntax":        {`"incidents": [`, `"incidents": [,`, "line 3"},
		"type":          {`"actors": ["a"]`, `"actors": "a"`, "line 4"},
		"no incidents":  {`"incidents"`, `"other"`, "incidents: there are none"},
		"span":          {`"virtual_end": "2026-03-03`, `"virtual_end": "2026-03-01`, "virtual_end"},
		"id":            {`"id": "i1"`, `"id": ""`, "id: is empty"},
		"start":         {`"start": "2026-03-02T01:00:00Z",`, ``, "start: is missing"},
		"end":           {`"end": "2026-03-02T02`, `"end": "2026-03-02T00`, "end: is before start"},
		"unmatchable":   {`"actors": ["a"]`, `"actors": []`, "no alert could match"},
		"role":          {`"roles": null`, `"roles": ["editor"]`, `"editor" is not Kind/name`},
		"not an object": {valid, `[]`, "line 1"},
	} {
		_, err := ParseLabels([]byte(strings.Replace(valid, c.from, c.to, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	twice := strings.Replace(valid, `"benign_changes": [`, `"benign_changes": [{"id": "i1"}`, 1)
	if _, err := ParseLabels([]byte(twice)); err == nil || !strings.Contains(err.Error(), `benign_changes[0] "i1": id: is used twice`) {
		t.Errorf("error %v", err)
	}
}

func TestLoadLabels(t *testing.T) {
	if _, err := LoadLabels(t.TempDir() + "/none.json"); err == nil {
		t.Error("a missing file is no error")
	}
	path := t.TempDir() + "/labels.json"
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadLabels(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("the error does not name the file: %v", err)
	}
}

func FuzzParseLabels(f *testing.F) {
	f.Add([]byte(valid))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ParseLabels(data)
		if err == nil && len(l.Incidents) == 0 {
			t.Error("accepted without incidents")
		}
	})
}
