// Command logcluster finds the few groups of behaviour in a stream of
// Kubernetes audit logs that are not as usual, and tells people about them.
//
// This package is the command line: flags and help in, the application
// (cmd/logcluster/app) out. Results go to stdout, everything else to stderr.
package main

import "os"

func main() {
	os.Exit(execute(terminal{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Args[1:]))
}
