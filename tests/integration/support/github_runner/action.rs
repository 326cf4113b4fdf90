//! An action.yml, as the runner reads it.
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/metadata-syntax>

use std::path::Path;

use yaml_serde::{Mapping, Value};

/// An action that runs in a container.
pub(crate) struct Action {
    /// The names of its inputs, and their defaults. The runner ignores `required`.
    inputs: Vec<(String, String)>,
    pub(crate) outputs: Vec<String>,
    pub(crate) entrypoint: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Action {
    /// The one at a path of the project.
    #[track_caller]
    pub(crate) fn read(path: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        Self::parse(&std::fs::read_to_string(path).unwrap())
    }

    #[track_caller]
    fn parse(text: &str) -> Self {
        let file: Mapping = yaml_serde::from_str(text).unwrap();
        let runs = file["runs"].as_mapping().unwrap();
        assert_eq!(runs["using"], Value::from("docker"));
        // Without these the runner would take its command line from `with`.
        assert!(runs.contains_key("args") && runs.contains_key("entrypoint"));
        let args = runs["args"].as_sequence().unwrap();
        let inputs = of(&file, "inputs").into_iter();
        Self {
            inputs: inputs
                .map(|(name, input)| {
                    let default = input.get("default").map(text_of);
                    (name, default.unwrap_or_default())
                })
                .collect(),
            outputs: of(&file, "outputs")
                .into_iter()
                .map(|(name, _)| name)
                .collect(),
            entrypoint: text_of(&runs["entrypoint"]),
            args: args.iter().map(text_of).collect(),
            env: of(runs, "env")
                .into_iter()
                .map(|(name, value)| (name, text_of(&value)))
                .collect(),
        }
    }

    /// The inputs of a step that has `with`: those, whether they are declared or not, and the defaults of
    /// the others. Names count without regard to case.
    pub(crate) fn inputs(&self, with: &[(String, String)]) -> Vec<(String, String)> {
        let mut given = with.to_vec();
        for (name, default) in &self.inputs {
            if !given
                .iter()
                .any(|(given, _)| given.eq_ignore_ascii_case(name))
            {
                given.push((name.clone(), default.clone()));
            }
        }
        given
    }

    pub(crate) fn declares(&self, input: &str) -> bool {
        let mut names = self.inputs.iter();
        names.any(|(name, _)| name.eq_ignore_ascii_case(input))
    }

    /// The arguments of the container's command. If the file declares it, `with: args` is an input as any other.
    pub(crate) fn arguments(&self, inputs: &[(String, String)]) -> Vec<String> {
        let args = self.args.iter();
        args.map(|argument| evaluated(argument, inputs)).collect()
    }

    /// `runs.env`.
    pub(crate) fn environment(&self, inputs: &[(String, String)]) -> Vec<(String, String)> {
        let env = self.env.iter();
        env.map(|(name, value)| (name.clone(), evaluated(value, inputs)))
            .collect()
    }
}

fn of(file: &Mapping, key: &str) -> Vec<(String, Value)> {
    let Some(section) = file.get(key) else {
        return Vec::new();
    };
    let entries = section.as_mapping().unwrap().iter();
    entries
        .map(|(name, value)| (text_of(name), value.clone()))
        .collect()
}

/// The runner knows texts alone.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Null => String::new(),
        other => panic!("{other:?} is no text"),
    }
}

/// `${{ inputs.NAME }}`: where these are looked at, there is no other context.
fn evaluated(text: &str, inputs: &[(String, String)]) -> String {
    let mut parts = text.split("${{");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (expression, rest) = part.split_once("}}").unwrap();
        let name = expression.trim().strip_prefix("inputs.").unwrap();
        let value = inputs
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name));
        whole.push_str(value.map_or("", |(_, value)| value));
        whole.push_str(rest);
    }
    whole
}

#[test]
fn a_step_gets_its_inputs_and_the_defaults_of_the_rest() {
    let action = Action::parse(
        "inputs: {mode: {default: 2}, Key: {required: true}, on: {default: true}}\n\
         runs: {using: docker, entrypoint: /p, args: [ci, '${{ inputs.mode }}-${{ inputs.none }}'], env: {M: '${{inputs.Mode}}'}}",
    );
    let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let with = [("KEY", "k"), ("tpyo", "")].map(text);
    let given = action.inputs(&with);
    let all = [("KEY", "k"), ("tpyo", ""), ("mode", "2"), ("on", "true")].map(text);
    assert_eq!(given, all);
    assert_eq!(action.arguments(&given), ["ci", "2-"]);
    assert_eq!(action.environment(&given), [("M", "2")].map(text));
    assert!(action.declares("kEY") && !action.declares("tpyo"));
}
