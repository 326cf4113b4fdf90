// Command s3lo-test-opa decides by a policy in place of this project's own code: policy.rego is written from the
// documentation of the policy file, and Open Policy Agent evaluates it. The tests compare both.
//
//	s3lo-test-opa             questions on stdin, JSON a line → a word a line, in their order: verified, refused,
//	                          undecided (exit code 2), or error (of the file, exit code 2)
//	s3lo-test-opa --faults    the same, and behind the word what is wrong with the file
//	s3lo-test-opa --self-test cases.jsonl → the cases that are decided otherwise
//
// A question is {"policy", "image", "digest", "now", "keys", "signatures"}. `policy` is the document. `keys` has the
// identity of each name's public key, `signatures` for an identity {"state": "valid", "schema": 2}, or the state
// "invalid" or "unknown". Every other field is left unread.
package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

//go:embed policy.rego
var policy string

//go:embed cases.jsonl
var cases []byte

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "s3lo-test-opa:", err)
		os.Exit(1)
	}
}

func run(arguments []string, in io.Reader, out io.Writer) error {
	switch {
	case len(arguments) == 0:
		return answer(in, out, func(a answered) string { return a.word })
	case slices.Equal(arguments, []string{"--faults"}):
		return answer(in, out, func(a answered) string { return strings.Join(append([]string{a.word}, a.faults...), "\t") })
	case slices.Equal(arguments, []string{"--self-test"}):
		return selfTest(out)
	}
	return errors.New("usage: s3lo-test-opa [--faults | --self-test]")
}

type answered struct {
	word   string
	faults []string
	err    error
}

// Nothing is written before the last question is read: whoever asks need not read while it writes.
func answer(in io.Reader, out io.Writer, text func(answered) string) error {
	answers, err := decide(in)
	if err != nil {
		return err
	}
	written := bufio.NewWriter(out)
	for _, each := range answers {
		fmt.Fprintln(written, text(each))
	}
	return written.Flush()
}

// Decides each line, on every CPU.
func decide(in io.Reader) ([]answered, error) {
	ctx := context.Background()
	query, err := rego.New(
		rego.Query("word = data.policy.word; faults = data.policy.faults"),
		rego.Module("policy.rego", policy),
		rego.Strict(true),
		rego.StrictBuiltinErrors(true),
	).PrepareForEval(ctx)
	if err != nil {
		return nil, err
	}

	// A batch is what one worker takes at a time, with the place of its answers.
	type batch struct {
		lines   [][]byte
		answers []answered
	}
	batches := make(chan batch)
	var workers sync.WaitGroup
	debug.SetGCPercent(800) // A question leaves much garbage, and nothing that stays.
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for each := range batches {
				for index, line := range each.lines {
					each.answers[index] = evaluate(ctx, query, line)
				}
			}
		})
	}
	var all [][]answered
	hand := func(lines [][]byte) {
		answers := make([]answered, len(lines))
		all = append(all, answers)
		batches <- batch{lines, answers}
	}
	reader := bufio.NewReader(in)
	var lines [][]byte
	for err == nil {
		var line []byte
		if line, err = reader.ReadBytes('\n'); len(line) > 0 {
			lines = append(lines, line)
		}
		if len(lines) == 64 || (err != nil && len(lines) > 0) {
			hand(lines)
			lines = nil
		}
	}
	close(batches)
	workers.Wait()
	if err != io.EOF {
		return nil, err
	}
	answers := slices.Concat(all...)
	for index, each := range answers {
		if each.err != nil {
			return nil, fmt.Errorf("line %d: %w", index+1, each.err)
		}
	}
	return answers, nil
}

func evaluate(ctx context.Context, query rego.PreparedEvalQuery, line []byte) answered {
	question, err := ast.ValueFromReader(bytes.NewReader(line))
	if err != nil {
		return answered{err: err}
	}
	results, err := query.Eval(ctx, rego.EvalParsedInput(question))
	if err != nil {
		return answered{err: err}
	}
	if len(results) != 1 {
		return answered{err: errors.New("not a question")}
	}
	faults := []string{}
	for _, fault := range results[0].Bindings["faults"].([]any) {
		faults = append(faults, fault.(string))
	}
	return answered{word: results[0].Bindings["word"].(string), faults: faults}
}

// Each case is a question with the `case` it is, the `word` that answers it, and for an error its `faults`.
func selfTest(out io.Writer) error {
	answers, err := decide(bytes.NewReader(cases))
	if err != nil {
		return err
	}
	failed := 0
	for index, line := range bytes.Split(bytes.TrimSpace(cases), []byte("\n")) {
		var expected struct {
			Case   string   `json:"case"`
			Word   string   `json:"word"`
			Faults []string `json:"faults"`
		}
		if err := json.Unmarshal(line, &expected); err != nil {
			return err
		}
		if found := answers[index]; found.word != expected.Word || !slices.Equal(found.faults, expected.Faults) {
			failed++
			fmt.Fprintf(out, "%s: %s %q, not %s %q\n", expected.Case, found.word, found.faults, expected.Word, expected.Faults)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d cases are decided otherwise", failed, len(answers))
	}
	fmt.Fprintf(out, "%d cases\n", len(answers))
	return nil
}
