// Package ingest turns the bytes of Kubernetes audit records into events.
//
// [Decoder] is the hot path: it reads one record (an Event, an EventList, an
// array of them, or several one after another), keeps the few fields that the
// later stages need, masks secrets in the text that is kept, and hands out one
// [fingerprint.Event] a request. What it does not hand out it counts: every
// event of a record is emitted, rejected for a [Reason] or filtered by a
// [Rule], so that
//
//	consumed = emitted + rejected + filtered
//
// holds for every record (see [Result]).
//
// Decoding is stateless: what becomes of an event depends on that event alone,
// so that any number of decoders, partitions and restarts agree. The records
// themselves come from ingest/kafka or from ingest/recording.
package ingest
