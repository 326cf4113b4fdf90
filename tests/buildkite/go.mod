module s3lo-test-buildkite

go 1.26.5

require (
	github.com/buildkite/agent/v3 v3.137.0
	github.com/buildkite/go-pipeline v0.18.0
)

require (
	github.com/buildkite/interpolate v0.1.5 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/kr/pretty v0.3.1 // indirect
	github.com/oleiade/reflections v1.1.0 // indirect
	github.com/puzpuzpuz/xsync/v2 v2.5.1 // indirect
	github.com/qri-io/jsonpointer v0.1.1 // indirect
	github.com/qri-io/jsonschema v0.2.1 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)
