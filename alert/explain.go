package alert

import (
	"time"

	"github.com/logcluster/logcluster/anomaly"
	"github.com/logcluster/logcluster/cluster"
)

// novelties are what was never seen before.
func novelties(in []cluster.Novelty) []Novelty {
	var out []Novelty
	for _, n := range in[:min(len(in), maxNew)] {
		out = append(out, Novelty{
			Feature: anomaly.FeatureName(n.Feature),
			Subject: Clean(n.Subject, maxName),
			What:    Clean(n.What, maxKey),
		})
	}
	return out
}

// evidence are the records that are shown, with their place in Kafka where they
// have one, else in the file.
func evidence(in []cluster.Sample, places Places) []Record {
	in = in[:min(len(in), maxShown)]
	var out []Record
	for i := range in {
		s := &in[i]
		r := Record{
			Time: time.Unix(0, s.Time).UTC(), ID: Clean(s.ID, maxName),
			Subject: Clean(s.Subject, maxName), Verb: Clean(s.Verb, maxName),
			Namespace: Clean(s.Namespace, maxName), Object: Clean(s.Object, maxName),
			Source: Clean(s.Address, maxName), Code: s.Code, Denied: s.Denied,
		}
		if s.Offset >= 0 {
			offset := s.Offset
			r.Offset = &offset
			if places != nil {
				if topic, partition, ok := places(s.Source); ok {
					r.Topic, r.Partition = topic, &partition
				}
			}
		}
		out = append(out, r)
	}
	return out
}
