package fingerprint

import "strings"

// Limits of a path template. They bound the length of a cluster's resource;
// the number of distinct templates is bounded by the tenant's budget.
const (
	maxPathSegments = 3
	maxPathSegment  = 64 // bytes; Kubernetes' own health checks reach 53
)

const (
	pathVariable = "{id}" // stands for one segment
	pathRest     = "..."  // stands for one or more segments
)

// appendPath appends the template of a non-resource request's path.
//
// The paths that a Kubernetes API server serves (/api, /apis/apps/v1, /version,
// /healthz/etcd, /readyz, /metrics, /openapi/v3, /debug/pprof/,
// /.well-known/openid-configuration, /openid/v1/jwks, …) are their own
// templates, with or without a slash at the end. Of all paths, segments that
// look like identifiers become {id}, those past the third become "...", a
// query is dropped and repeated slashes count as one. A template is its own
// template.
func appendPath(dst []byte, path string) []byte {
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	segments := 0
	for rest := path; ; segments++ {
		rest = strings.TrimLeft(rest, "/")
		if rest == "" {
			break
		}
		if segments == maxPathSegments {
			return append(dst, "/"+pathRest...)
		}
		segment := rest
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			segment = rest[:i]
		}
		rest = rest[len(segment):]
		dst = append(dst, '/')
		if isVariable(segment) {
			dst = append(dst, pathVariable...)
		} else {
			dst = append(dst, segment...)
		}
	}
	if segments == 0 || path[len(path)-1] == '/' {
		dst = append(dst, '/')
	}
	return dst
}

// isVariable reports whether a segment is more likely to name one thing among
// many than to be a word of an API: it is long, has characters that words do
// not have (percent-encoded ones included), is a number, has four digits or
// more, or is a hexadecimal string of at least eight characters with a digit.
// So v1, v1beta1, kube-apiserver.log and apps.example.com are words, and
// UUIDs, hashes, dates and the random suffixes of pod names are not.
func isVariable(segment string) bool {
	if segment == pathVariable {
		return false // its own template
	}
	if len(segment) > maxPathSegment {
		return true
	}
	digits, hex := 0, 0
	for i := 0; i < len(segment); i++ {
		switch c := segment[i]; {
		case '0' <= c && c <= '9':
			digits++
			hex++
		case 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
			hex++
		case 'g' <= c && c <= 'z', 'G' <= c && c <= 'Z':
		case c == '.' || c == '-' || c == '_':
		default:
			return true
		}
	}
	return digits >= 4 || digits > 0 && digits == len(segment) ||
		digits > 0 && hex >= 8 && hex == len(segment)
}
