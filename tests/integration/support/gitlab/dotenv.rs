//! A dotenv report as GitLab reads it. It refuses some, and it changes some by
//! expanding or trimming: here both are refused.
//! <https://docs.gitlab.com/ci/variables/dotenv_variables/#dotenv-file-requirements>, and GitLab's own reader,
//! `app/services/ci/parse_dotenv_artifact_service.rb`.

use std::collections::BTreeMap;

/// GitLab takes less than this, in bytes.
const SIZE: usize = 5120;

/// The default limit on variables.
const MOST: usize = 20;

/// The variables of a report.
pub(crate) fn read(report: &[u8]) -> Result<BTreeMap<String, String>, String> {
    if report.len() >= SIZE {
        return Err(format!("{} bytes", report.len()));
    }
    let text = std::str::from_utf8(report).map_err(|error| error.to_string())?;
    let mut variables = BTreeMap::new();
    for line in text.split_inclusive('\n') {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let refused = |why: &str| Err(format!("{why}: {line:?}"));
        let Some((name, value)) = line.split_once('=') else {
            return refused("not NAME=value");
        };
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !(1..=255).contains(&name.len()) || !name.bytes().all(of_name) {
            return refused("no name of a variable");
        }
        if value.trim() != value {
            return refused("trimmed");
        }
        if value.contains(['$', '%']) {
            return refused("expanded");
        }
        if value.contains(['"', '\'']) || value.chars().any(char::is_control) {
            return refused("taken literally");
        }
        if variables
            .insert(name.to_owned(), value.to_owned())
            .is_some()
        {
            return refused("set twice");
        }
    }
    match variables.len() {
        0..=MOST => Ok(variables),
        many => Err(format!("{many} variables")),
    }
}

#[test]
fn a_report_is_read_as_gitlab_reads_it() {
    let of = |text: &str| read(text.as_bytes());
    let variables = of("A=1\nB_2=x=y\n").unwrap();
    assert_eq!(variables["A"], "1");
    assert_eq!(variables["B_2"], "x=y");
    assert!(of("").unwrap().is_empty());
    for refused in [
        "A=1\n\nB=2\n",
        "\n",
        "# A=1\n",
        "A\n",
        "=1\n",
        "A-B=1\n",
        "A= 1\n",
        "A=1\r\n",
        "A=$HOME\n",
        "A=%HOME%\n",
        "A=\"1\"\n",
        "A=1\nA=2\n",
        "\u{feff}A=1\n",
    ] {
        assert!(of(refused).is_err(), "{refused:?}");
    }
    assert!(of(&format!("A={}\n", "a".repeat(5117))).is_err());
    assert!(of(&format!("A={}\n", "a".repeat(5116))).is_ok());
    let many: String = (0..21).map(|number| format!("A{number}=1\n")).collect();
    assert!(of(&many).is_err());
}
