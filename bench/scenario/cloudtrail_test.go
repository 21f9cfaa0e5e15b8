package scenario

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/logcluster/logcluster/bench/detection"
	"github.com/logcluster/logcluster/fingerprint"
)

func TestTrailRecords(t *testing.T) {
	for name, c := range map[string]struct {
		text                          string
		verb, group, resource, object string
		access                        fingerprint.Access
		decision                      fingerprint.Decision
		failed                        bool
	}{
		"read":    {`{"eventSource":"ec2.amazonaws.com","eventName":"DescribeRouteTables","readOnly":true}`, "list", "ec2.amazonaws.com", "routetables", "", fingerprint.AccessRead, fingerprint.DecisionAllow, false},
		"delete":  {`{"eventSource":"cloudtrail.amazonaws.com","eventName":"DeleteTrail","requestParameters":{"n":1,"name":"t"}}`, "delete", "cloudtrail.amazonaws.com", "trail", "t", fingerprint.AccessDelete, fingerprint.DecisionAllow, false},
		"assume":  {`{"eventSource":"sts.amazonaws.com","eventName":"AssumeRole","readOnly":true}`, "impersonate", "sts.amazonaws.com", "assumerole", "", fingerprint.AccessEscalate, fingerprint.DecisionAllow, false},
		"refused": {`{"eventSource":"iam.amazonaws.com","eventName":"CreateUser","errorCode":"AccessDenied"}`, "create", "iam.amazonaws.com", "createuser", "", fingerprint.AccessWrite, fingerprint.DecisionForbid, false},
		"failed":  {`{"eventSource":"s3.amazonaws.com","eventName":"GetBucketAcl","errorCode":"NoSuchBucket","readOnly":true}`, "get", "s3.amazonaws.com", "bucketacl", "", fingerprint.AccessRead, fingerprint.DecisionAllow, true},
	} {
		var r trailRecord
		if err := json.Unmarshal([]byte(c.text), &r); err != nil {
			t.Fatal(err)
		}
		e := r.event()
		if e.Verb != c.verb || e.Resource.Group != c.group || e.Resource.Name != c.resource || e.Resource.Object != c.object ||
			e.Decision != c.decision || e.Failed() != c.failed || fingerprint.Classify(e.Verb, &e.Resource) != c.access {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// The ratio of sums, and an interval that holds it; all the same leaves no room.
func TestBootstrap(t *testing.T) {
	reports := []detection.Report{{False: 1, Days: 1}, {False: 3, Days: 1}, {False: 0, Days: 2}, {Days: 0}}
	count := func(r *detection.Report) (of, n float64) { return float64(r.False), r.Days }
	i := bootstrap(reports, count)
	if i.Value != 1 || i.Low < 0 || i.Low >= 1 || i.High <= 1 || i.High > 3 {
		t.Errorf("%+v", i)
	}
	if i := bootstrap([]detection.Report{{False: 2, Days: 1}, {False: 4, Days: 2}}, count); math.Abs(i.Low-2)+math.Abs(i.High-2) > 1e-12 {
		t.Errorf("%+v", i)
	}
	if i := bootstrap(nil, count); i.Value != 0 || i.High != 1 {
		t.Errorf("%+v", i)
	}
}
