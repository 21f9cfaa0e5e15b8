package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/logcluster/logcluster/cmd/logcluster/web"
)

// patience is how long a script waits for what another process does.
const patience = 2 * time.Minute

// await waits until a file exists, or until an address answers with 200 and a
// body that holds the text:
//
//	await FILE
//	await URL [TEXT]
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: await FILE|URL [TEXT]")
	}
	ready := func() bool {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return err == nil
	}
	if strings.HasPrefix(args[0], "http") {
		ready = func() bool { return answers(args[0], strings.Join(args[1:], "")) }
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ready(); <-tick.C {
		if time.Now().After(deadline) {
			ts.Fatalf("await %s: not so after %s", strings.Join(args, " "), patience)
		}
	}
}

// answers reports whether the URL answers with 200 and the text.
func answers(url, text string) bool {
	resp, err := http.Get(url) //nolint:gosec // the script's own server
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK && strings.Contains(string(body), text)
}

// setFrom sets a variable to the content of a file:
//
//	setfrom NAME FILE
func setFrom(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: setfrom NAME FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// firing sets a variable to the identity of an alert that the service at an address
// shows, firing or resolved lately:
//
//	firing ADDRESS NAME
func firing(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: firing ADDRESS NAME")
	}
	resp, err := http.Get("http://" + args[0] + "/api/v1/anomalies") //nolint:gosec // the script's own server
	ts.Check(err)
	defer resp.Body.Close()
	var answer web.Answer
	ts.Check(json.NewDecoder(resp.Body).Decode(&answer))
	for i := range answer.Anomalies {
		if answer.Anomalies[i].FiredAt != nil {
			ts.Setenv(args[1], answer.Anomalies[i].ID)
			return
		}
	}
	ts.Fatalf("none of %d anomalies has fired", len(answer.Anomalies))
}
