package kafka

// Pause stops fetching partitions, and Resume goes on with them where they
// were. A caller pauses what has run ahead of the others in event time, since
// that has to be kept in memory until the others have caught up. Both are for
// the goroutine of [Handler.Consume]; records that were fetched before are not
// lost, only handed out later.
func (s *Session) Pause(topic string, partition int32) {
	s.client.PauseFetchPartitions(map[string][]int32{topic: {partition}})
}

// Resume is the opposite of [Session.Pause].
func (s *Session) Resume(topic string, partition int32) {
	s.client.ResumeFetchPartitions(map[string][]int32{topic: {partition}})
}
