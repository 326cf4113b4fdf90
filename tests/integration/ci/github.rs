//! A job of GitHub Actions that signs or verifies, from the inputs of a step to all that the step leaves
//! behind: outputs, log, summary and exit code.

mod bounds;
mod files;
mod inputs;
mod log;
mod outcomes;
mod secrets;
mod services;

use crate::support::github_runner::Runner;
use crate::support::plain_key;

pub(crate) const SIGN: &str = "action.yml";
pub(crate) const VERIFY: &str = "verify/action.yml";

/// The image that is in the workspace of [`signer`].
pub(crate) const IMAGE: &str = "local://./store/myapp:v1.0";

/// The digest of every image that these tests push.
pub(crate) const DIGEST: &str =
    "sha256:21d94c4ae81f56d81b98c4468796264cbff924c3fae1fd9e8379120a7d264f31";

/// A step that signs the image in its workspace, by a key in the open, so that it waits for nothing.
pub(crate) fn signer() -> Runner {
    let runner = Runner::new(SIGN).with_image();
    runner.write("plain.key", plain_key());
    runner.with("reference", IMAGE).with("key", "plain.key")
}

/// A job whose first step has signed the image, and whose next one verifies it.
pub(crate) fn verifier() -> Runner {
    let signer = signer();
    signer.run().ends_with(0);
    let verifier = signer.then_uses(VERIFY);
    verifier.with("reference", IMAGE).with("key", "plain.key")
}
