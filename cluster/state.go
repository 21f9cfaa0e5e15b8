package cluster

import (
	"github.com/logcluster/logcluster/fingerprint"
)

// StateVersion is the version of [State] that this package writes and reads.
const StateVersion = 3

// State is everything that a [Windows] knows, as plain values for encoding: a
// restored Windows goes on exactly like the one that the state was taken of.
// It shares no memory with it. The same knowledge gives the same State, in the
// same order.
type State struct {
	Version int
	// Pane, Window and Slide are lengths in nanoseconds; a state can only be
	// restored under the same ones.
	Pane, Window, Slide int64
	// SeenFor is a length in nanoseconds, by which SavedSeen.Era counts.
	SeenFor int64

	Started                bool
	Mark, Frontier         int64
	AliveSince, AliveUntil int64
	Training               int64
	Outcomes               [NumOutcomes]uint64
	Refused                [NumBudgets]uint64
	Spilled                uint64
	Unknown                uint64

	// Names and Keys are referred to by their place.
	Names []string
	Keys  []fingerprint.ClusterKey

	Sources []SavedSource
	Open    []SavedPane
	Late    []SavedPane
	Pending []SavedTraining
	Spans   []SavedSpan // the longer scales, ascending
	Tenants []SavedTenant

	// Limits are the overrides in force, NextLimits those set for later.
	Limits     SavedLimits
	NextLimits []SavedLimits // ascending From
}

// SavedLimits are the limits of the tenants that have their own.
type SavedLimits struct {
	From    int64
	Tenants []SavedTenantLimits // ascending Name
}

// SavedTenantLimits are the limits of one tenant.
type SavedTenantLimits struct {
	Name   string
	Limits Limits
}

// SavedSource is the state of a source.
type SavedSource struct {
	ID      int
	Name    string
	State   SourceState
	Seen    bool
	High    int64
	Missing int64
	// Recent are the last event times of a source without record times,
	// oldest entry not necessarily first.
	Recent []int64
	Next   int
	Bound  int64
}

// SavedPane is an open pane, or the late events of a training window.
type SavedPane struct {
	Index    int64
	Partials []SavedPartial // ascending cluster id
}

// SavedPartial is what one cluster did in one pane.
type SavedPartial struct {
	_          struct{} `cbor:",toarray"`
	Key        int      // place in State.Keys
	Pane       int64
	Newcomer   bool
	Sum        SavedAmounts
	Subjects   SavedTally // IDs are places in State.Names, here and in the next three
	Objects    SavedTally
	Namespaces SavedTally
	Sources    SavedTally
	Contacts   SavedTally
	Powers     SavedTally
	Prints     SavedTally    // IDs are places in State.Names
	Samples    []SavedSample // best first
	News       []SavedNovelty
}

// SavedSample is an event that is kept. Texts are places in State.Names.
type SavedSample struct {
	_                                         struct{} `cbor:",toarray"`
	Time                                      int64
	Source                                    int
	Offset                                    int64
	ID                                        string
	Subject, Verb, Namespace, Object, Address int
	Code                                      int
	Denied                                    bool
	Print                                     fingerprint.ID
	Who, What                                 uint64
	Rank, News                                uint8
}

// SavedNovelty is something new. Texts are places in State.Names.
type SavedNovelty struct {
	_             struct{} `cbor:",toarray"`
	Step          int64    // of a longer scale
	Feature       Feature
	Subject, What int
}

// SavedAmounts are sums over events. The distinct counts among Counts are zero.
type SavedAmounts struct {
	_        struct{} `cbor:",toarray"`
	Counts   Counts
	Verbs    [NumVerbs]uint32
	Outcomes [NumOutcomeClasses]uint32
	Latency  Latencies
}

// SavedTally is a set of hashes with counts. N and IDs are empty when they are
// all one and all zero.
type SavedTally struct {
	_       struct{} `cbor:",toarray"`
	Keys    []uint64 // ascending
	N       []uint32
	IDs     []uint32
	Pruned  bool
	Ceiling uint64
}

// SavedSpan is the state of a longer scale. Its lengths must be the same again,
// as those of State.
type SavedSpan struct {
	Scale         Scale
	Window, Slide int64
	Lacks         []SavedLack // ascending Step
	Pending       []SavedTraining
}

// SavedLack is how much of a step passed without any source and without some.
type SavedLack struct {
	_                struct{} `cbor:",toarray"`
	Step, Gap, Stall int64
}

// SavedReach is the past of a cluster at a longer scale.
type SavedReach struct {
	Scale   Scale
	Steps   []SavedStep
	Marks   [numSets]SavedMarks
	Late    []SavedPartial // at most one
	Samples []SavedSample
	News    []SavedNovelty
}

// SavedStep is what a cluster did in one step.
type SavedStep struct {
	_     struct{} `cbor:",toarray"`
	Index int64
	Sum   SavedAmounts        // with the distinct counts
	Tops  [numSets]SavedTally // IDs are places in State.Names
}

// SavedMarks are the steps in which keys were seen, as bits.
type SavedMarks struct {
	_    struct{} `cbor:",toarray"`
	Keys []uint64 // ascending
	Bits []uint64
}

// SavedTraining is a training window that is not final yet.
type SavedTraining struct {
	Index      int64
	Incomplete bool
	Tenants    []SavedRows
}

// SavedRows are the counts and shapes of a tenant's clusters.
type SavedRows struct {
	Name     string
	Clusters []fingerprint.ID // ascending
	Counts   []Counts
	Shapes   []Shape
}

// SavedTenant is the state of a tenant.
type SavedTenant struct {
	Name     string
	Clusters []SavedCluster // ascending cluster id
	Overflow []SavedCluster // at most one
	Seen     SavedSeen
	RateFull int64 // when the bucket of new clusters will be full
	Refused  [NumBudgets]uint64
}

// SavedCluster is the recent past of a cluster.
type SavedCluster struct {
	Key         int // place in State.Keys
	First, Last int64
	Ring        []SavedPartial
	Win         int
	Reach       []SavedReach
}

// SavedSeen is a tenant's memory of what was seen before, by kind.
type SavedSeen struct {
	Now, Era          int64
	Full              [numKinds]int64
	Powers            int64
	Unknown           [numKinds]uint64
	Current, Previous [numKinds]SavedGeneration
}

// SavedGeneration is one generation of that memory.
type SavedGeneration struct {
	Keys   []uint64   // ascending
	Quotas SavedTally // by owner
}
