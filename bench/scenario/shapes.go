package scenario

import (
	"maps"
	"slices"
	"time"

	"github.com/logcluster/logcluster/fingerprint"
)

// shapes are what attacks and accidents look like. Each fills a draft whose time
// begins at zero.
var shapes = []struct {
	name string
	make func(*draft)
}{
	{"reconnaissance over many resources", (*draft).reconnaissance},
	{"secrets dumped", (*draft).secretsDump},
	{"secrets read slow and low", (*draft).slowAndLow},
	{"burst of exec", (*draft).execBurst},
	{"power given to oneself", (*draft).binding},
	{"tokens minted", (*draft).tokens},
	{"mass deletion", (*draft).massDeletion},
	{"burst of refusals", (*draft).refusals},
	{"an old subject from a new address", (*draft).newAddress},
	{"a stranger", (*draft).stranger},
	{"a subject acts like another one", (*draft).masquerade},
	{"admission webhook installed", (*draft).webhook},
	{Decoys, (*draft).decoys},
	{"controller dies", (*draft).death},
	{"hot loop", (*draft).hotLoop},
	{"wave of errors", (*draft).errorWave},
}

// Decoys is the shape of a quiet attack that others are to hide.
const Decoys = "quiet attack behind loud decoys"

// Shapes are the names of all shapes.
func Shapes() []string {
	var names []string
	for _, s := range shapes {
		names = append(names, s.name)
	}
	return names
}

// attacker is somebody of the background who is taken over.
func (d *draft) attacker() *person {
	return d.someone(func(p *person) bool { return !p.system() })
}

// privileged is one who may do what the event does, if there is one and the draw
// says so: else anybody, who will be refused.
func (d *draft) privileged(verb string, r fingerprint.Resource) *person {
	if d.rng.IntN(4) > 0 {
		may := d.someone(func(p *person) bool {
			return !p.system() && d.world.allowed(&fingerprint.Event{User: p.name, Groups: d.world.Groups[p.name], Verb: verb, Resource: r})
		})
		if may != nil {
			return may
		}
	}
	return d.attacker()
}

func (d *draft) reconnaissance() {
	who := d.attacker()
	n := between(d.rng, 25, 150)
	kinds := d.some(d.world.kinds, between(d.rng, 8, 25))
	for _, at := range d.times(n, d.minutes(4, 20)) {
		d.do(at, who, pick(d.rng, []string{"list", "get"}), pick(d.rng, kinds), d.space(), "")
	}
}

func (d *draft) secretsDump() {
	r := d.world.Words.Secrets
	who := d.privileged("get", r)
	for _, at := range d.times(between(d.rng, 25, 150), d.minutes(4, 25)) {
		d.do(at, who, pick(d.rng, []string{"get", "list"}), r, d.space(), d.object())
	}
}

func (d *draft) slowAndLow() {
	r := d.world.Words.Secrets
	who := d.privileged("get", r)
	n := between(d.rng, 10, 25)
	for _, at := range d.times(n, time.Duration(n)*d.minutes(6, 9)) {
		d.do(at, who, "get", r, d.space(), d.object())
	}
}

func (d *draft) execBurst() {
	r := d.world.Words.Exec
	who := d.privileged("create", r)
	for _, at := range d.times(between(d.rng, 12, 80), d.minutes(4, 20)) {
		d.do(at, who, "create", r, d.space(), d.object())
	}
}

func (d *draft) binding() {
	r := d.world.Words.Binding
	who := d.privileged("create", r)
	for _, at := range d.times(between(d.rng, 1, 6), d.minutes(1, 10)) {
		d.do(at, who, pick(d.rng, []string{"create", "update", "patch"}), r, "", d.object())
	}
}

func (d *draft) tokens() {
	r := d.world.Words.Token
	who := d.privileged(d.world.Words.Mint, r)
	for _, at := range d.times(between(d.rng, 3, 25), d.minutes(2, 15)) {
		d.do(at, who, d.world.Words.Mint, r, d.space(), d.object())
	}
}

func (d *draft) massDeletion() {
	r := pick(d.rng, d.world.kinds)
	who := d.privileged("delete", r)
	for _, at := range d.times(between(d.rng, 20, 150), d.minutes(3, 15)) {
		d.do(at, who, "delete", r, d.space(), d.object())
	}
}

func (d *draft) refusals() {
	who := d.attacker()
	kinds := d.some(d.world.kinds, between(d.rng, 1, 6))
	for _, at := range d.times(between(d.rng, 30, 250), d.minutes(4, 20)) {
		d.do(at, who, pick(d.rng, []string{"get", "create", "delete", "list"}), pick(d.rng, kinds), d.space(), d.object())
		e := &d.attack.add[len(d.attack.add)-1]
		e.Decision, e.Code = fingerprint.DecisionForbid, 403
	}
}

// newAddress has an old subject do what it always does, about as often, from
// where it never came from.
func (d *draft) newAddress() {
	who := d.someone(func(p *person) bool { return !p.system() && len(p.habits) >= 20 })
	if who == nil {
		return
	}
	length := d.minutes(15, 60)
	n := min(max(int(who.events*length.Minutes()/5), 5), 300)
	from := d.address()
	for _, at := range d.times(n, length) {
		d.repeat(at, who, from, nil)
	}
}

// stranger is somebody nobody knows, without any role.
func (d *draft) stranger() {
	who := &person{name: d.name()}
	kinds := d.some(d.world.kinds, between(d.rng, 2, 10))
	for _, at := range d.times(between(d.rng, 15, 120), d.minutes(4, 20)) {
		d.do(at, who, pick(d.rng, []string{"list", "get", "create"}), pick(d.rng, kinds), d.space(), d.object())
	}
}

// masquerade has one subject do what another one does.
func (d *draft) masquerade() {
	who, other := d.attacker(), d.someone(func(p *person) bool { return !p.system() && len(p.habits) >= 50 })
	if other == nil {
		return
	}
	length := d.minutes(10, 60)
	n := min(max(int(other.events*length.Minutes()/5), 20), 300)
	for _, at := range d.times(n, length) {
		d.repeat(at, who, "", other)
	}
}

func (d *draft) webhook() {
	r := d.world.Words.Hook
	who := d.privileged("create", r)
	for _, at := range d.times(between(d.rng, 1, 4), d.minutes(1, 10)) {
		d.do(at, who, "create", r, "", d.object())
	}
}

// decoys is a quiet attack that nobody is to miss for the noise of others.
func (d *draft) decoys() {
	r := pick(d.rng, []fingerprint.Resource{d.world.Words.Binding, d.world.Words.Hook, d.world.Words.Token})
	who := d.privileged("create", r)
	for _, at := range d.times(between(d.rng, 2, 6), d.minutes(8, 12)) {
		d.do(at, who, "create", r, "", d.object())
	}
	for range between(d.rng, 6, 12) {
		loud := d.attacker()
		if loud == nil {
			return
		}
		kind := pick(d.rng, d.world.kinds)
		for _, at := range d.times(between(d.rng, 100, 400), d.minutes(8, 12)) {
			d.do(at, loud, "list", kind, d.space(), "")
		}
		d.attack.decoys = append(d.attack.decoys, loud.name)
	}
}

// death silences somebody who always works.
func (d *draft) death() {
	if who := d.someone((*person).steady); who != nil {
		d.attack.Actors = []string{who.name}
		d.attack.silenced = who.name
		d.attack.End = int64(d.minutes(30, 90))
	}
}

// hotLoop has somebody who always works do one thing many times as often.
func (d *draft) hotLoop() {
	who := d.someone((*person).steady)
	if who == nil {
		return
	}
	length := d.minutes(8, 30)
	habit := pick(d.rng, who.habits)
	n := min(between(d.rng, 10, 40)*max(int(who.events*length.Minutes()/5), 1), 1500)
	for _, at := range d.times(n, length) {
		d.add(at, who, d.eventOf(&habit))
	}
}

// errorWave fails most of what is asked of some resources, by whomever.
func (d *draft) errorWave() {
	d.attack.failing = make(map[string]bool)
	who := make(map[string]bool)
	for range between(d.rng, 2, 5) {
		p := d.someone((*person).steady)
		if p == nil {
			break
		}
		who[p.name] = true
		d.attack.failing[p.name] = true
	}
	d.attack.Actors = slices.Sorted(maps.Keys(who))
	d.attack.End = int64(d.minutes(10, 30))
}
