package scenario

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/logcluster/logcluster/bench/detection"
	"github.com/logcluster/logcluster/bench/stream"
	"github.com/logcluster/logcluster/fingerprint"
)

// Attack is one thing that happens. Times are Unix nanoseconds.
type Attack struct {
	Shape      string
	Start, End int64
	Actors     []string
	Resources  []string

	add      []fingerprint.Event // from time zero until it is placed
	decoys   []string            // who makes noise meanwhile
	silenced string              // whose events are gone
	failing  map[string]bool     // whose events fail
	items    []stream.Item
}

// Plan is what one seed does.
type Plan struct {
	Seed    uint64
	Attacks []Attack
	// Labels say so; what the recording itself has labels for is there as benign.
	Labels *detection.Labels
	// Items are the background with the attacks in it.
	Items []stream.Item
}

// Draw makes the plan of a seed in the background from one time to another: as many
// attacks as asked for (fewer if they do not fit), each of another shape, by others,
// and none while another one runs. Shapes names the only ones to draw from; without
// any all are.
func (w *World) Draw(seed uint64, attacks int, from, to int64, shapes ...string) *Plan {
	d := &draft{
		world: w, rng: rand.New(rand.NewPCG(seed, 0x5ca1ab1e)), prints: w.Prints(),
		taken: make(map[string]bool), agents: make(map[string]string),
	}
	p := &Plan{Seed: seed, Items: stream.Between(w.Items, from, to)}
	for _, s := range d.order() {
		if len(p.Attacks) == attacks {
			break
		}
		if len(shapes) > 0 && !slices.Contains(shapes, s.name) {
			continue
		}
		d.attack = Attack{Shape: s.name}
		s.make(d)
		if d.place(p.Attacks, from, to) {
			p.Attacks = append(p.Attacks, d.attack)
		}
	}
	p.label(w, from, to)
	p.inject()
	return p
}

// draft makes attacks.
type draft struct {
	world  *World
	rng    *rand.Rand
	prints *fingerprint.Fingerprinter
	taken  map[string]bool   // people who have a part already
	agents map[string]string // of those who act
	attack Attack
}

type shape struct {
	name string
	make func(*draft)
}

// order returns the shapes and the world's recorded attacks in random order.
func (d *draft) order() []shape {
	var all []shape
	for _, s := range shapes {
		all = append(all, shape(s))
	}
	d.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if len(d.world.Recorded) == 0 {
		return all
	}
	names := sortedKeys(d.world.Recorded)
	d.rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	// Every other one is a recorded one.
	var mixed []shape
	for i, name := range names {
		mixed = append(mixed, shape{"recorded: " + name, func(d *draft) { d.recorded(name) }})
		if i < len(all) {
			mixed = append(mixed, all[i])
		}
	}
	return mixed
}

// recorded has somebody do what was recorded.
func (d *draft) recorded(name string) {
	who := d.attacker()
	if who == nil {
		return
	}
	for _, e := range d.world.Recorded[name] {
		d.add(time.Duration(e.Time), who, e)
	}
}

// someone returns a person who satisfies the condition and has no part yet; nil
// when there is none.
func (d *draft) someone(is func(*person) bool) *person {
	for _, at := range d.rng.Perm(len(d.world.people)) {
		p := &d.world.people[at]
		if !d.taken[p.name] && is(p) {
			d.taken[p.name] = true
			return p
		}
	}
	return nil
}

// do adds a request, which the world's policy allows or not.
func (d *draft) do(at time.Duration, who *person, verb string, r fingerprint.Resource, space, object string) {
	r.Namespace, r.Object = space, object
	d.add(at, who, fingerprint.Event{Verb: verb, Resource: r})
}

// repeat adds something that a person does, or that another one does.
func (d *draft) repeat(at time.Duration, who *person, from string, other *person) {
	like := who
	if other != nil {
		like = other
	}
	habit := pick(d.rng, like.habits)
	e := d.eventOf(&habit)
	if from != "" {
		e.Source = from
	}
	d.add(at, who, e)
}

// eventOf is what a recorded item asked for.
func (d *draft) eventOf(it *stream.Item) fingerprint.Event {
	r, isResource := resourceOf(it.Print.Cluster)
	if !isResource {
		_, r.Path, _ = cutColon(it.Print.Cluster.Resource)
	}
	r.Namespace, r.Object = it.Namespace, it.Object
	return fingerprint.Event{Verb: it.Print.Verb, Resource: r, Latency: it.Latency, Code: int(it.Code), Source: it.Source}
}

// add completes an event and adds it.
func (d *draft) add(at time.Duration, who *person, e fingerprint.Event) {
	if who == nil {
		return
	}
	e.Time, e.Tenant = int64(at), stream.Tenant
	e.User, e.Groups = who.name, d.world.Groups[who.name]
	if e.Groups == nil {
		e.Groups = []string{"system:authenticated"}
	}
	if e.Source == "" {
		e.Source = "192.0.2.66"
		if len(who.habits) > 0 {
			e.Source = pick(d.rng, who.habits).Source
		}
	}
	if e.UserAgent = d.agents[who.name]; e.UserAgent == "" {
		e.UserAgent = d.agentOf(who)
		d.agents[who.name] = e.UserAgent
	}
	if e.Latency == 0 {
		e.Latency = int64(time.Millisecond) * int64(between(d.rng, 2, 60))
	}
	switch {
	case !d.world.allowed(&e):
		e.Decision, e.Code = fingerprint.DecisionForbid, 403
	case e.Code == 0 || e.Code == 403:
		e.Decision, e.Code = fingerprint.DecisionAllow, 200
	default:
		e.Decision = fingerprint.DecisionAllow
	}
	if len(d.attack.Actors) == 0 {
		d.attack.Actors = []string{who.name}
	}
	d.attack.add = append(d.attack.add, e)
}

// place finds a time for the attack and moves it there; false when there is none.
func (d *draft) place(others []Attack, from, to int64) bool {
	a := &d.attack
	for i := range a.add {
		a.End = max(a.End, a.add[i].Time)
	}
	if a.End == 0 && len(a.add) == 0 || a.End >= to-from || len(a.Actors) == 0 {
		return false
	}
	for range 100 {
		start := from + d.rng.Int64N(to-from-a.End)
		end := start + a.End
		apart := !slices.ContainsFunc(others, func(o Attack) bool {
			return start < o.End+int64(detection.After) && end+int64(detection.After) > o.Start
		})
		if apart && end+int64(detection.After) <= to && d.world.clear(start, end) {
			a.Start, a.End = start, end
			d.print()
			return true
		}
	}
	return false
}

// print moves the events to their time and fingerprints them.
func (d *draft) print() {
	a := &d.attack
	slices.SortStableFunc(a.add, func(x, y fingerprint.Event) int { return int(min(max(x.Time-y.Time, -1), 1)) })
	about := make(map[string]bool)
	for i := range a.add {
		e := &a.add[i]
		e.Time += a.Start
		fp := d.prints.Of(e)
		a.items = append(a.items, stream.Item{
			Time: e.Time, Latency: e.Latency, User: e.User, Namespace: e.Resource.Namespace, Object: e.Resource.Object,
			Source: e.Source, Line: line(e), Code: int32(e.Code), Decision: e.Decision, Print: fp,
		})
		if slices.Contains(a.Actors, e.User) {
			about[fp.Cluster.Resource] = true
		}
	}
	a.Resources = sortedKeys(about)
}

// label writes down what happens, and what the recording knows of itself.
func (p *Plan) label(w *World, from, to int64) {
	l := &detection.Labels{Start: time.Unix(0, from).UTC(), End: time.Unix(0, to).UTC(), BenignChanges: w.Known}
	for i := range p.Attacks {
		a := &p.Attacks[i]
		requests := 0
		for j := range a.items {
			if slices.Contains(a.Actors, a.items[j].User) {
				requests++
			}
		}
		in := detection.Incident{
			ID: fmt.Sprintf("%d-%d", p.Seed, i), Name: a.Shape, Kind: "attack", Start: time.Unix(0, a.Start).UTC(), End: time.Unix(0, a.End).UTC(),
			Actors: a.Actors, Resources: a.Resources, Requests: detection.Requests(requests),
		}
		l.Incidents = append(l.Incidents, in)
		if len(a.decoys) > 0 {
			in.ID, in.Name, in.Actors = in.ID+"-decoys", "decoys", a.decoys
			l.BenignChanges = append(l.BenignChanges[:len(l.BenignChanges):len(l.BenignChanges)], in)
		}
	}
	p.Labels = l
}

// inject puts the attacks into the background.
func (p *Plan) inject() {
	changed := slices.ContainsFunc(p.Attacks, func(a Attack) bool { return a.silenced != "" || a.failing != nil })
	if changed {
		p.Items = slices.Clone(p.Items)
	}
	for i := range p.Attacks {
		a := &p.Attacks[i]
		switch {
		case a.silenced != "":
			p.Items = slices.DeleteFunc(p.Items, func(it stream.Item) bool {
				return it.User == a.silenced && it.Time >= a.Start && it.Time < a.End
			})
		case a.failing != nil:
			for j := range p.Items {
				// Four of five fail.
				if it := &p.Items[j]; a.failing[it.User] && it.Time >= a.Start && it.Time < a.End && it.Decision != fingerprint.DecisionForbid && j%5 > 0 {
					it.Code = 500
				}
			}
		default:
			p.Items = stream.Merge(p.Items, a.items)
		}
	}
}
