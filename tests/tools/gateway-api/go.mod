module tools/gateway-api

go 1.26.0

// Only the files under config/crd are used, so nothing here is compiled and `go mod tidy` would drop the line.
require sigs.k8s.io/gateway-api v1.6.1
