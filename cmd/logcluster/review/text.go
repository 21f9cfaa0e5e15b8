package review

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/logcluster/logcluster/alert"
	"github.com/logcluster/logcluster/fingerprint/rbac"
)

// maxCell is the length in bytes to which one name is cut in a text.
const maxCell = 256

// maxText is the length in bytes to which a sentence or a rule is cut.
const maxText = 2048

// safe makes a name safe to show on a terminal, and safeText a text that holds
// names.
func safe(s string) string     { return alert.Clean(s, maxCell) }
func safeText(s string) string { return alert.Clean(s, maxText) }

// table writes aligned columns. Its rows are made safe for a terminal.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer, header ...string) *table {
	t := &table{w: tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)}
	if len(header) > 0 {
		t.row(header...)
	}
	return t
}

// row writes one line.
func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = safeText(c)
	}
	fmt.Fprintln(t.w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
}

func (t *table) flush() error {
	if err := t.w.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// BindingName writes a binding as roles are written: "ClusterRoleBinding/name"
// or "RoleBinding/namespace/name".
func BindingName(b rbac.Binding) string {
	if b.Namespace == "" {
		return string(rbac.AppendName([]byte("ClusterRoleBinding/"), b.Name))
	}
	name := append(rbac.AppendName([]byte("RoleBinding/"), b.Namespace), '/')
	return string(rbac.AppendName(name, b.Name))
}

// clock writes an event time as tables have it, "never" for none.
func clock(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// thousands writes a count with separators: 671,262.
func thousands(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes a count and what is counted: "1 role", "1,200 roles".
func plural[N int | uint64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(uint64(n)) + " " + one + "s"
}
