// Package kafka moves records between Kafka and the rest of the program.
//
// [Session] consumes topics as the only member of a consumer group and hands
// the records to a [Handler], batch by batch. Where it starts is decided by the
// application's own snapshot; offsets committed to the broker are for people
// and tools to look at. It never chooses an offset by itself: what cannot be
// read from where it should is an error that an operator sees.
//
// [DeadLetter] publishes a note about every record that could not be used,
// without ever holding up the stream, and [Writer] publishes records of any
// kind.
//
// All three are dskit services: the constructors connect to nothing and start
// nothing.
//
// [ReadTopic] is for tools: it reads what a topic holds now, beside whoever
// consumes it, and returns.
package kafka
