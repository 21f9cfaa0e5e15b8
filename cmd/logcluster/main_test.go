package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/logcluster/logcluster/cmd/logcluster/app"
	"github.com/logcluster/logcluster/cmd/logcluster/config"
	"github.com/logcluster/logcluster/deploy/demo"
)

var rewrite = flag.Bool("rewrite", false, "write what the scripts in testdata/script compare with anew")

// TestMain lets the scripts run the program as a user does: as a process with
// its own exit code, stdout and stderr.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"logcluster": main,
		"broker":     broker,
	})
}

// broker runs an embedded Kafka broker until it is interrupted and writes its
// address to the file that is named.
func broker() {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "audit"))
	if err == nil {
		// In one step, so that nobody reads half of it.
		err = os.WriteFile(os.Args[1]+".new", []byte(cluster.ListenAddrs()[0]), 0o600)
	}
	if err == nil {
		err = os.Rename(os.Args[1]+".new", os.Args[1])
	}
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	<-stop
	cluster.Close()
}

func TestScripts(t *testing.T) {
	recording := slice(t)
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *rewrite,
		Setup: func(env *testscript.Env) error {
			// Nobody has it at this moment, and the next is soon enough.
			l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Setenv("LISTEN", l.Addr().String())
			if err := l.Close(); err != nil {
				return err
			}
			env.Setenv("RECORDING", filepath.Join(env.WorkDir, "recording.jsonl.zst"))
			return os.WriteFile(filepath.Join(env.WorkDir, "recording.jsonl.zst"), recording, 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":   await,
			"firing":  firing,
			"setfrom": setFrom,
		},
	})
}

// sliceLines of the bundled recording reach to its first alert, at 14:05 of the
// first day: the scripts need no more, and the race detector is slow.
const sliceLines = 34_000

// slice returns the first lines of the bundled recording, packed.
func slice(t *testing.T) []byte {
	t.Helper()
	unpacked, err := zstd.NewReader(bytes.NewReader(demo.Recording))
	if err != nil {
		t.Fatal(err)
	}
	defer unpacked.Close()
	var b bytes.Buffer
	packed, err := zstd.NewWriter(&b, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(unpacked)
	lines.Buffer(nil, 1<<20)
	for n := 0; n < sliceLines && lines.Scan(); n++ {
		_, _ = packed.Write(append(lines.Bytes(), '\n'))
	}
	if err := errors.Join(lines.Err(), packed.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestFlagsHaveFields checks that every short flag stands for a field that
// there is, and says which.
func TestFlagsHaveFields(t *testing.T) {
	cfg := app.DefaultConfig()
	known := map[string]bool{}
	for _, f := range config.Fields(&cfg) {
		known[f.Path] = !f.Section
	}
	for _, cmd := range newRoot(terminal{}).Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if i := strings.LastIndex(f.Usage, " ("); i >= 0 && strings.Contains(f.Usage[i:], ".") {
				path := strings.Trim(f.Usage[i+2:], ")")
				if !known[path] && !strings.Contains(path, " ") {
					t.Errorf("%s --%s stands for %s, which is no field", cmd.Name(), f.Name, path)
				}
			}
		})
	}
}

// TestHelpTeaches checks that every command says what it does, shows how, and
// that its help fits into a terminal.
func TestHelpTeaches(t *testing.T) {
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: short help %q", cmd.CommandPath(), cmd.Short)
		}
		for _, line := range strings.Split(cmd.Long, "\n") {
			if len(line) > 80 {
				t.Errorf("%s: a line of %d bytes: %s", cmd.CommandPath(), len(line), line)
			}
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(newRoot(terminal{}))
}
