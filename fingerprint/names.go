package fingerprint

import "fmt"

var accessNames = [...]string{
	AccessReview:   "review",
	AccessRead:     "read",
	AccessWrite:    "write",
	AccessDelete:   "delete",
	AccessConnect:  "connect",
	AccessEscalate: "escalate",
}

// String returns the access class as it is written in output: review, read,
// write, delete, connect or escalate.
func (a Access) String() string {
	if int(a) < len(accessNames) {
		return accessNames[a]
	}
	return fmt.Sprintf("Access(%d)", uint8(a))
}

// ParseAccess is the inverse of [Access.String].
func ParseAccess(name string) (Access, error) {
	for a, n := range accessNames {
		if n == name {
			return Access(a), nil
		}
	}
	return 0, fmt.Errorf("parse access: no access class is called %q", name)
}

var decisionNames = [...]string{
	DecisionUnknown: "unknown",
	DecisionAllow:   "allow",
	DecisionForbid:  "forbid",
}

// String returns the decision in the words of the audit annotation (allow,
// forbid), or unknown.
func (d Decision) String() string {
	if int(d) < len(decisionNames) {
		return decisionNames[d]
	}
	return fmt.Sprintf("Decision(%d)", uint8(d))
}

// ParseDecision is the inverse of [Decision.String].
func ParseDecision(name string) (Decision, error) {
	for d, n := range decisionNames {
		if n == name {
			return Decision(d), nil
		}
	}
	return DecisionUnknown, fmt.Errorf("parse decision: no decision is called %q", name)
}
