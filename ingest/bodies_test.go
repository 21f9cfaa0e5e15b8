package ingest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/logcluster/logcluster/fingerprint"
)

// managedPod is a part of a body as most of them are: short keys and values.
const managedPod = `{"metadata":{"name":"ledger-api-7d4b9c6f5-qk2wz","namespace":"payments","labels":{"app":"ledger-api","pod-template-hash":"7d4b9c6f5"},` +
	`"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"ledger-api-7d4b9c6f5","uid":"3f0b6a36-8d6d-4b0d-8c65-0a5dfac3a1b9","controller":true}],` +
	`"managedFields":[{"manager":"kube-controller-manager","operation":"Update","apiVersion":"v1","time":"2026-03-09T14:07:31Z","fieldsType":"FieldsV1",` +
	`"fieldsV1":{"f:metadata":{"f:labels":{".":{},"f:app":{},"f:pod-template-hash":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"ledger\"}":{".":{},"f:image":{},"f:ports":{".":{},` +
	`"k:{\"containerPort\":8080,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}}}]},"spec":{"containers":[{"name":"ledger","image":"registry.example/ledger:1.9.2",` +
	`"ports":[{"containerPort":8080,"protocol":"TCP"}],"resources":{"limits":{"cpu":"2","memory":"1Gi"}}}],"restartPolicy":"Always"},"status":{"phase":"Running","podIP":"10.42.7.19"}}`

// manifestLine is a part of a body as those of ConfigMaps are: a long text.
const manifestLine = `server:\n  listen: 0.0.0.0:8080\n  # how long a request may take before it is given up, in seconds\n  timeout: 30\n`

// eventWithBody returns an event with a response of about so many bytes. The
// data are synthetic.
func eventWithBody(kind string, size int) []byte {
	var body string
	switch kind {
	case "pods":
		body = `{"kind":"PodList","items":[` + strings.Repeat(managedPod+",", size/len(managedPod)) + "{}]}"
	case "text":
		body = `{"kind":"ConfigMap","data":{"config.yaml":"` + strings.Repeat(manifestLine, size/len(manifestLine)) + `"}}`
	case "binary":
		body = `{"kind":"ConfigMap","binaryData":{"a":"` + strings.Repeat("AAECAwQFBgcICQoLDA0ODw==", size/24) + `"}}`
	}
	return []byte(event(`"verb"`, `"responseObject":`+body+`,"objectRef":{"resource":"pods"},"verb"`))
}

// Memory is bounded by the record, which is the caller's: a body is not copied,
// whatever is in it, and neither is the object that is handed on.
func TestBodiesCostNoMemory(t *testing.T) {
	d := NewDecoder(DefaultConfig())
	for _, kind := range []string{"pods", "text", "binary"} {
		record := eventWithBody(kind, 1<<20)
		if n := testing.AllocsPerRun(3, func() {
			if result, err := d.Decode(record, func(*fingerprint.Event) {}); err != nil || result.Emitted != 1 {
				t.Fatal(result, err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", kind, n)
		}
	}
	record := bytes.Replace(eventWithBody("text", 1<<20), []byte(`"resource":"pods"},"verb":"get"`),
		[]byte(`"resource":"roles","apiGroup":"rbac.authorization.k8s.io"},"responseStatus":{"code":200},"verb":"update"`), 1)
	if _, err := d.Decode(record, func(e *fingerprint.Event) {
		at := bytes.Index(record, []byte(`{"kind":"ConfigMap"`))
		if len(e.Object) < 1<<20-len(manifestLine) || &e.Object[0] != &record[at] {
			t.Errorf("the object of %d bytes is not the one in the record", len(e.Object))
		}
	}); err != nil {
		t.Error(err)
	}
	if n := cap(d.scratch); n > 1<<10 {
		t.Errorf("%d bytes were copied", n)
	}
}

// BenchmarkDecodeBodies is what a log of the level RequestResponse costs: bodies
// that are read past.
func BenchmarkDecodeBodies(b *testing.B) {
	for _, kind := range []string{"pods", "text", "binary"} {
		for _, size := range []int{16 << 10, 1 << 20, 7 << 20} {
			record := eventWithBody(kind, size)
			b.Run(fmt.Sprintf("%s/%dKiB", kind, size>>10), func(b *testing.B) {
				d := NewDecoder(DefaultConfig())
				b.SetBytes(int64(len(record)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := d.Decode(record, func(*fingerprint.Event) {}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
