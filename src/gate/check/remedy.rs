//! The lines of configuration that mend a node.

use std::collections::{BTreeMap, BTreeSet};

/// Settings to change, by their tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Remedy(BTreeMap<String, BTreeSet<String>>);

/// Lines to paste.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    /// A file of containerd's.
    pub containerd: String,
    /// The same for a node of EKS: a NodeConfig.
    pub node_config: String,
}

impl Remedy {
    /// Sets a value of CRI's table for images.
    pub(super) fn of_images(&mut self, name: &str, value: &str) {
        self.set("'io.containerd.cri.v1.images'", name, value);
    }

    /// Sets a value of a table below `plugins`, whose name is quoted as TOML wants it.
    pub(super) fn set(&mut self, table: &str, name: &str, value: &str) {
        let table = self.0.entry(table.to_owned()).or_default();
        table.insert(format!("{name} = {value}"));
    }

    /// The lines, if there are any.
    pub(super) fn lines(&self) -> Option<Lines> {
        if self.0.is_empty() {
            return None;
        }
        // Each containerd with verifiers reads this version.
        let mut containerd = "version = 3\n".to_owned();
        for (table, values) in &self.0 {
            containerd.push_str(&format!("\n[plugins.{table}]\n"));
            for value in values {
                containerd.push_str(&format!("{value}\n"));
            }
        }
        let indented = containerd.lines().map(|line| match line {
            "" => "\n".to_owned(),
            line => format!("      {line}\n"),
        });
        let node_config = format!(
            "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  containerd:\n    config: |\n{}",
            indented.collect::<String>()
        );
        Some(Lines {
            containerd,
            node_config,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_toml_and_the_same_in_both_forms() {
        assert_eq!(Remedy::default().lines(), None);
        let mut remedy = Remedy::default();
        remedy.of_images("discard_unpacked_layers", "false");
        remedy.of_images("discard_unpacked_layers", "false");
        remedy.set(
            "'io.containerd.cri.v1.images'.registry",
            "config_path",
            "\"/etc/containerd/certs.d\"",
        );
        let lines = remedy.lines().unwrap();
        insta::assert_snapshot!(lines.node_config, @r#"
        apiVersion: node.eks.aws/v1alpha1
        kind: NodeConfig
        spec:
          containerd:
            config: |
              version = 3

              [plugins.'io.containerd.cri.v1.images']
              discard_unpacked_layers = false

              [plugins.'io.containerd.cri.v1.images'.registry]
              config_path = "/etc/containerd/certs.d"
        "#);
        toml::de::DeTable::parse(&lines.containerd).unwrap();
        let yaml: serde_json::Value = yaml_serde::from_str(&lines.node_config).unwrap();
        assert_eq!(yaml["spec"]["containerd"]["config"], lines.containerd);
    }
}
