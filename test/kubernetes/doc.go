// Package kubernetes holds the tests of the Helm chart and of the manifests that
// are rendered from it. They need no cluster: the chart is rendered with Helm's
// own library, every object is decoded strictly against the Kubernetes API
// types, and what it says of the bridge (keys, ports, probes, files) is tried on
// the real binary.
//
// It is a module of its own, so that go.mod of the bridge stays what the bridge
// needs.
package kubernetes

//go:generate go run ./manifests ../../deployments/helm/treble-bridge ../../deployments/kubernetes
