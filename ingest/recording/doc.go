// Package recording reads records from files: one record a line, plain or
// packed with gzip or zstd, which is told by the first bytes and not by the
// name.
//
// A [Source] hands out batches of lines in buffers that are used again, so that
// unpacking and splitting run ahead of whoever decodes, in bounded memory
// whatever the file holds.
package recording
