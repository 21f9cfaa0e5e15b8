// Package review answers the questions of an access review: who may do what and
// by which binding ([Explain]), which roles reach far ([Risky]), what is granted
// and was never used ([Usage]), and whether a snapshot of the RBAC objects is
// still what the API server decides by ([Verifier]).
//
// It is the logic of the commands `logcluster rbac …` without their command
// line. Reports are plain structs that encode to JSON as they are; fields are
// only ever added. Their texts are as they stand in the records and manifests,
// attackers' text: JSON escapes them by itself, and every WriteText makes them
// safe for a terminal.
package review

// SchemaVersion is the version of the JSON of the reports. It changes only if
// something that is there changes its meaning.
const SchemaVersion = 1
