package fingerprint_test

import "unsafe"

// alias appends s to buf, which has room for it, and returns a string that is
// that very memory: what writes to the buffer changes the string.
func alias(buf []byte, s string) ([]byte, string) {
	at := len(buf)
	buf = append(buf, s...)
	return buf, unsafe.String(unsafe.SliceData(buf[at:]), len(s))
}
