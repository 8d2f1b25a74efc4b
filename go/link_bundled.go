//go:build cgo && !netconnpool_system

package netconnpool

// LinkInfo says which C library the package uses: "bundled" is compiled from
// the sources beside it; "system" (build tag netconnpool_system) is the one that
// is installed, found by pkg-config; "none" is a build without cgo.
const LinkInfo = "bundled"
