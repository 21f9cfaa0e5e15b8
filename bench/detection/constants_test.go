package detection_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/logcluster/logcluster/bench/stream"
	"github.com/logcluster/logcluster/cmd/logcluster/engine"
)

var (
	sweepCode = flag.String("sweep-code", "", "print the detection at half and double of the constants in the code whose name (package.name) matches this regular expression")
	inShort   = flag.Bool("in-short", false, "print the detection in one line")
)

// judging are the packages whose constants decide what is found.
var judging = []string{"anomaly", "baseline", "baseline/calibration", "baseline/family", "baseline/peer"}

// constant is a number in the code: where its expression stands.
type constant struct {
	name, file string
	from, to   int
	text       string
	whole      bool
}

// constants finds every number that is given a name at the top of a file: consts,
// and the elements of lists of numbers.
func constants(t *testing.T, root, pkg string) []constant {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var out []constant
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, name, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		add := func(label string, x ast.Expr) {
			lit, ok := x.(*ast.BasicLit)
			if !ok || lit.Kind != token.INT && lit.Kind != token.FLOAT {
				return
			}
			out = append(out, constant{
				name: pkg + "." + label, file: name, text: lit.Value, whole: lit.Kind == token.INT,
				from: set.Position(lit.Pos()).Offset, to: set.Position(lit.End()).Offset,
			})
		}
		for _, d := range parsed.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range decl.Specs {
				if v, ok := s.(*ast.ValueSpec); ok {
					named(v, add)
				}
			}
		}
	}
	return out
}

// named visits the numbers of a declaration with their names.
func named(v *ast.ValueSpec, add func(string, ast.Expr)) {
	for i, value := range v.Values {
		name := v.Names[i].Name
		list, ok := value.(*ast.CompositeLit)
		if !ok {
			add(name, value)
			continue
		}
		for at, element := range list.Elts {
			label := fmt.Sprintf("%s[%d]", name, at)
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				switch key := pair.Key.(type) {
				case *ast.SelectorExpr:
					label = name + "[" + key.Sel.Name + "]"
				case *ast.Ident:
					label = name + "." + key.Name
				}
				element = pair.Value
			}
			add(label, element)
		}
	}
}

// replaced writes the constant's file with another value, and an overlay that has
// the compiler read it.
func (c *constant) replaced(t *testing.T, by string) (overlay string) {
	t.Helper()
	source, err := os.ReadFile(c.file)
	if err != nil {
		t.Fatal(err)
	}
	text := "(" + c.text + " * " + by + ")"
	if c.whole && by == "0.5" {
		text = "((" + c.text + " + 1) / 2)"
	} else if c.whole {
		text = "(" + c.text + " * 2)"
	}
	dir := t.TempDir()
	changed := filepath.Join(dir, filepath.Base(c.file))
	if err := os.WriteFile(changed, []byte(string(source[:c.from])+text+string(source[c.to:])), 0o600); err != nil {
		t.Fatal(err)
	}
	original, err := filepath.Abs(c.file)
	if err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err != nil {
		t.Fatal(err)
	}
	overlay = filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}

var short = regexp.MustCompile(`(?m)^in short: (.*); (.*)$`)

// judge compiles everything with the constant changed and replays the recording.
func (c *constant) judge(t *testing.T, by string) (found, wrong string) {
	t.Helper()
	args := []string{"test", "-count=1", "-run", "^TestInShort$", "-v", "."}
	if by != "1" {
		args = append([]string{"test", "-overlay", c.replaced(t, by)}, args[1:]...)
	}
	out, err := exec.CommandContext(t.Context(), "go", append(args, "-in-short")...).CombinedOutput()
	if m := short.FindSubmatch(out); m != nil {
		return string(m[1]), string(m[2])
	}
	t.Logf("%s times %s: %v\n%s", c.name, by, err, out)
	return "–", "–"
}

// TestInShort prints the detection in one line, for TestSweepCode.
func TestInShort(t *testing.T) {
	if !*inShort {
		t.Skip("what TestSweepCode runs for each constant: ask for that with -sweep-code")
	}
	p, _ := replay(load(t, stream.ByRole()), engine.DefaultConfig())
	fmt.Printf("in short: %d (%d, %d); %.1f\n", p.Found, p.Exact, p.InTime, p.FalsePerDay.Value)
}

// TestSweepCode prints the rest of the table of ARCHITECTURE.md: the constants that
// are no configuration, found in the source, each compiled in at half and double. Those
// that change nothing are named below the table.
//
//	go test ./bench/detection -run SweepCode -sweep-code . -timeout 4h -v
func TestSweepCode(t *testing.T) {
	if *sweepCode == "" {
		t.Skip("a table for people: ask for it with -sweep-code")
	}
	only := regexp.MustCompile(*sweepCode)
	shipped, base := (&constant{}).judge(t, "1")
	fmt.Printf("As shipped: found %s, %s false alerts a day.\n\n", shipped, base)
	fmt.Println("| constant | found (exactly, in time), half / double | false alerts a day, half / double |")
	fmt.Println("|---|---|---|")
	var idle []string
	for _, pkg := range judging {
		for _, c := range constants(t, filepath.Join("..", ".."), pkg) {
			if !only.MatchString(c.name) {
				continue
			}
			half, halfWrong := c.judge(t, "0.5")
			double, doubleWrong := c.judge(t, "2")
			if half == shipped && double == shipped && halfWrong == base && doubleWrong == base {
				idle = append(idle, "`"+c.name+"` "+c.text)
				continue
			}
			fmt.Printf("| `%s` %s | %s / %s | %s / %s |\n", c.name, c.text, half, double, halfWrong, doubleWrong)
		}
	}
	fmt.Printf("\nWithout effect on this recording: %s.\n", strings.Join(idle, ", "))
}

// The constants that are known to matter are found.
func TestConstantsAreFound(t *testing.T) {
	found := make(map[string]constant)
	for _, pkg := range judging {
		for _, c := range constants(t, filepath.Join("..", ".."), pkg) {
			found[c.name] = c
		}
	}
	for _, want := range []string{"anomaly.stakeOfAccess[AccessEscalate]", "baseline.priorCount", "baseline.shareEvents"} {
		c, ok := found[want]
		if !ok {
			t.Errorf("%s is not found among %d", want, len(found))
			continue
		}
		source, err := os.ReadFile(c.file)
		if err != nil || string(source[c.from:c.to]) != c.text {
			t.Errorf("%s stands not where it was found: %v", want, err)
		}
	}
}
