// Command s3lo-test-buildkite does with a step's plugins what Buildkite's agent does, by the agent's own code, for the
// tests: nothing in this project decides the input of hooks. It reads stdin, and answers on stdout as JSON.
//
//	steps            a pipeline in YAML → its steps, uploaded from this environment, with the plugins as a job is
//	                 handed them in BUILDKITE_PLUGINS
//	plugins          BUILDKITE_PLUGINS → each plugin: where the agent keeps it, and the variables of its hooks
//	validate FOLDER  the configuration of a plugin → what is wrong with it by the plugin.yml of the folder
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"

	"github.com/buildkite/agent/v3/agent/plugin"
	"github.com/buildkite/agent/v3/env"
	"github.com/buildkite/go-pipeline"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "s3lo-test-buildkite:", err)
		os.Exit(1)
	}
}

func run(arguments []string, in io.Reader, out io.Writer) error {
	var answer any
	var err error
	switch {
	case len(arguments) == 1 && arguments[0] == "steps":
		answer, err = steps(in)
	case len(arguments) == 1 && arguments[0] == "plugins":
		answer, err = plugins(in)
	case len(arguments) == 2 && arguments[0] == "validate":
		answer, err = validate(in, arguments[1])
	default:
		err = errors.New("usage: steps | plugins | validate FOLDER")
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(answer)
}

type step struct {
	Key     string            `json:"key"`
	Label   string            `json:"label"`
	Command string            `json:"command"`
	Env     map[string]string `json:"env"`
	Plugins json.RawMessage   `json:"plugins"`
}

// Steps without a command (`wait`, `block`) are omitted.
func steps(in io.Reader) ([]step, error) {
	parsed, err := pipeline.Parse(in)
	if err != nil {
		return nil, err
	}
	if err := parsed.Interpolate(env.FromSlice(os.Environ()), false); err != nil {
		return nil, err
	}
	found := []step{}
	var walk func(pipeline.Steps) error
	walk = func(list pipeline.Steps) error {
		for _, each := range list {
			switch known := each.(type) {
			case *pipeline.UnknownStep:
				return fmt.Errorf("not a step: %v", known.Contents)
			case *pipeline.GroupStep:
				if err := walk(known.Steps); err != nil {
					return err
				}
			case *pipeline.CommandStep:
				plugins, err := json.Marshal(known.Plugins)
				if err != nil {
					return err
				}
				// Buildkite gives the pipeline's variables to every step.
				variables := maps.Collect(parsed.Env.All)
				maps.Copy(variables, known.Env)
				found = append(found, step{known.Key, known.Label, known.Command, variables, plugins})
			}
		}
		return nil
	}
	return found, walk(parsed.Steps)
}

type listed struct {
	Location    string            `json:"location"`
	Identifier  string            `json:"identifier"`
	Folder      string            `json:"folder"`
	Vendored    bool              `json:"vendored"`
	Environment map[string]string `json:"environment"`
}

func plugins(in io.Reader) ([]listed, error) {
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	parsed, err := plugin.CreateFromJSON(string(text))
	if err != nil {
		return nil, err
	}
	found := []listed{}
	for _, each := range parsed {
		identifier, err := each.Identifier()
		if err != nil {
			return nil, err
		}
		// A vendored plugin is a folder of the checkout, and has none in a repository.
		folder := ""
		if !each.Vendored {
			if folder, err = each.RepositorySubdirectory(); err != nil {
				return nil, err
			}
		}
		environment, err := each.ConfigurationToEnvironment()
		if err != nil {
			return nil, err
		}
		found = append(found, listed{
			each.Location, identifier, folder, each.Vendored, environment.Dump(),
		})
	}
	return found, nil
}

func validate(in io.Reader, folder string) ([]string, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	definition, err := plugin.LoadDefinitionFromDir(root, ".")
	if err != nil {
		return nil, err
	}
	var configuration map[string]any
	decoder := json.NewDecoder(in)
	decoder.UseNumber()
	if err := decoder.Decode(&configuration); err != nil {
		return nil, err
	}
	found := []string{}
	for _, each := range (plugin.Validator{}).Validate(context.Background(), definition, configuration).Unwrap() {
		found = append(found, each.Error())
	}
	return found, nil
}
