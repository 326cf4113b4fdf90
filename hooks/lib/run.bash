#!/usr/bin/env bash
# Runs the program for a hook: `run.bash HOOK`. The program reads the plugin's settings itself, and lists the identity
# tokens that it needs. This starts it, in a container or as a binary, requests those tokens, and takes results to the build.
# Written for bash 3.2 too. Globals begin with s3lo_: a job's variable of the same name would change for child processes.
set -euo pipefail
s3lo_image=ghcr.io/s3lo/sign-action:1.0.0
LC_ALL=C s3lo_hook=$1 s3lo_home=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# A log that cannot be written to changes nothing of what is done.
say() { printf 's3lo-sign: %s\n' "$1" || :; }
# A line that begins with `+++` is an open section of the log.
fail() { printf '+++ s3lo-sign: %s\n' "$1" >&2 || :; exit 2; }
is_name() { [[ $1 =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]]; }
# The agent names a plugin's variables after its repository, which may be a fork's.
s3lo_prefix=BUILDKITE_PLUGIN_${BUILDKITE_PLUGIN_NAME:-}_
[ -n "${BUILDKITE_PLUGIN_NAME:-}" ] && is_name "$s3lo_prefix" || fail "BUILDKITE_PLUGIN_NAME is not set: give the plugin its settings, and let the Buildkite agent run it"
# Whether the step has a setting, written with dashes or underscores. A variable alone may be the job's, which anyone who starts
# a build can set. In the JSON no value can look like a name, as its quotation marks are escaped.
has() { set -- "$(tr A-Z a-z <<<"$1")" && [[ ${BUILDKITE_PLUGIN_CONFIGURATION:-} == *\"${1//_/[-_]}\":* ]]; }
option() { # NAME [DEFAULT]
  local variable=$s3lo_prefix$1
  if has "$1"; then printf %s "${!variable:-${2:-}}"; else printf %s "${2:-}"; fi
}
is_on() { case $(option "$1" true) in true | True | TRUE) ;; *) return 1 ;; esac; } # NAME

s3lo_work=$(option COMMAND sign)
case $s3lo_hook/$s3lo_work/${BUILDKITE_COMMAND_EXIT_STATUS:-unknown}/${BUILDKITE_JOB_CANCELLED:-} in
  post-command/sign/0/true) say "nothing is signed: the job is cancelled"; exit 0 ;;
  post-command/sign/0/* | pre-command/*) ;;
  post-command/sign/*) say "nothing is signed: the step's command ended with status ${BUILDKITE_COMMAND_EXIT_STATUS:-unknown}"; exit 0 ;;
  *) exit 0 ;;
esac

# The program's input: variables by name, so that no argument holds a value; in a container with the files that they name.
s3lo_names=' ' s3lo_mounted=$'\n' s3lo_docker=() s3lo_checkout=${BUILDKITE_BUILD_CHECKOUT_PATH:-$PWD}
mount() { # PATH [readonly]
  local path=${1//\"/\"\"} # docker reads a mount as a line of CSV
  [[ -e $1 && $s3lo_mounted != *$'\n'"$1"$'\n'* ]] || return 0
  s3lo_mounted=$s3lo_mounted$1$'\n' s3lo_docker+=(--mount "type=bind,\"source=$path\",\"target=$path\"${2:+,$2}")
}
show() { # TEXT: lines, of which some may be paths of files outside the checkout or of sockets
  local line
  while read -r line; do
    case ${line#unix://} in "${s3lo_checkout:-/dev/null}"/*) ;; /*) mount "${line#unix://}" readonly ;; esac
  done <<<"$1"
}
give() { # VARIABLE: anything but a name may be a secret in the wrong place
  is_name "$1" && [[ -n ${!1:-} && $s3lo_names != *" $1 "* ]] || return 0
  s3lo_names="$s3lo_names$1 " s3lo_docker+=(-e "$1")
  show "${!1}"
}
start() { # WORD...
  set -- "$@" --results-directory "$s3lo_folder/results" --summary-file "$s3lo_folder/summary.md"
  if [ "$s3lo_runtime" != binary ]; then # As root, to read keys of any owner and to give results to the agent, and no more.
    docker run --rm --read-only --security-opt no-new-privileges --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE \
      "${s3lo_docker[@]}" -- "$s3lo_image" ci "$@" </dev/null
  else
    (
      for s3lo_variable in $(compgen -e); do
        [[ " PATH HOME$s3lo_names" == *" $s3lo_variable "* ]] || unset "$s3lo_variable" 2>/dev/null || :
      done
      exec "$s3lo_binary" ci "$@" </dev/null
    )
  fi
}

# Beside the checkout: a daemon that is confined or on another machine sees another /tmp.
s3lo_folder=$(mktemp -d "$(dirname "$s3lo_checkout")/.s3lo-sign.XXXXXXXX" 2>/dev/null || mktemp -d)
trap 'rm -rf "$s3lo_folder"' EXIT; trap s3lo_stopped=1 INT TERM # The program gets the signal as well and ends in order.
s3lo_runtime=$(option RUNTIME container)
if ! has RUNTIME && ! command -v docker >/dev/null; then
  ! has IMAGE && ! has NETWORK && ! has MOUNT_CHECKOUT || fail "docker is not installed on this agent: image, network and mount-checkout are about a container"
  s3lo_runtime=binary
fi
case $s3lo_runtime in
  binary) s3lo_binary=$(sh "$s3lo_home/setup/install" "${BUILDKITE_PLUGINS_PATH:-$s3lo_home}/s3lo-sign-binaries" "$(option BINARY_URL)") ||
    fail "the program cannot be installed, see above" ;;
  *)
    s3lo_image=$(option IMAGE "$s3lo_image")
    docker image inspect -- "$s3lo_image" >/dev/null 2>&1 || docker pull --quiet -- "$s3lo_image" >/dev/null ||
      fail "the image $s3lo_image cannot be pulled, see above: name one that can be by image, or set runtime to binary"
    [ -z "$(option NETWORK)" ] || s3lo_docker+=(--network "$(option NETWORK)")
    if ! is_on MOUNT_CHECKOUT || [ ! -d "$s3lo_checkout" ]; then s3lo_checkout=; fi
    case $PWD/ in "${s3lo_checkout:-/dev/null}"/*) s3lo_docker+=(--workdir "$PWD") ;; *) s3lo_docker+=(--workdir "${s3lo_checkout:-/}") ;; esac
    mount "$s3lo_checkout" readonly
    mount "$s3lo_folder" ;;
esac
for s3lo_variable in $(compgen -e); do
  case $s3lo_variable in
    BUILDKITE | BUILDKITE_PIPELINE_SLUG | BUILDKITE_BUILD_NUMBER | BUILDKITE_PLUGIN_NAME | BUILDKITE_PLUGIN_CONFIGURATION | \
      AWS_* | VAULT_* | BAO_* | *_PROXY | *_proxy | COSIGN_PASSWORD | SSL_CERT_FILE | TRANSIT_SECRET_ENGINE_PATH) give "$s3lo_variable" ;;
  esac
done
for s3lo_variable in $(compgen -v "$s3lo_prefix"); do
  [[ ${s3lo_variable#"$s3lo_prefix"} =~ ^(.*[^0-9_])(_[0-9]+)?$ ]] && has "${BASH_REMATCH[1]}" || continue
  show "${!s3lo_variable}"
  while read -r s3lo_line; do
    case ${s3lo_variable#"$s3lo_prefix"}/$s3lo_line in
      KEY*/env://* | POLICY/env://*) give "${s3lo_line#env://}" ;;
      *_ENV/* | ENVIRONMENT*/*) give "$s3lo_line" ;;
    esac
  done <<<"${!s3lo_variable}"
done

finish() { # STATUS: takes the results to the build. A build page that cannot be written to changes nothing.
  local file key sum status=$1 style=success
  export BUILDKITE_AGENT_LOG_LEVEL=error
  [ "$status" = 0 ] || style=error
  [ "$status" != 125 ] || say "docker started no container, see above: its daemon has to see $s3lo_folder${s3lo_checkout:+ and $s3lo_checkout} as this agent does"
  # A step that is tried again replaces its own annotation, and no other's.
  sum=$(cksum <<<"$BUILDKITE_PLUGIN_CONFIGURATION|${BUILDKITE_STEP_ID:-}|${BUILDKITE_LABEL:-}|${BUILDKITE_PARALLEL_JOB:-}")
  # The JSON of all results may be longer than the 100 kilobytes of a meta-data value.
  rm -f "$s3lo_folder/results/results"
  ! is_on ANNOTATE || [ ! -s "$s3lo_folder/summary.md" ] ||
    buildkite-agent annotate --style $style --context "s3lo-sign-$s3lo_work-${sum%% *}" <"$s3lo_folder/summary.md" >/dev/null || :
  for file in "$s3lo_folder/results"/*; do
    is_on META_DATA && [ -s "$file" ] || continue
    # Meta-data belongs to the build, and the last step wins: one that has a key sets its own as well.
    for key in "" ${BUILDKITE_STEP_KEY:+"$BUILDKITE_STEP_KEY:"}; do
      buildkite-agent meta-data set "s3lo-$s3lo_work:$key${file##*/}" <"$file" >/dev/null && continue
      # The step's command would deploy the digest of an earlier step.
      case $status/$s3lo_work/${file##*/} in 0/verify/digest | 0/verify/verified) status=2 ;; esac
    done
  done
  exit "$status"
}
s3lo_tokens=$(start tokens "$s3lo_work") || { s3lo_status=$?; printf '%s\n' "$s3lo_tokens" || :; finish $s3lo_status; }
[ "$s3lo_hook/$s3lo_work" != pre-command/sign ] || exit 0
while IFS=$'\t' read -r s3lo_variable s3lo_audience; do
  [ -n "$s3lo_variable" ] || continue
  s3lo_token=$(buildkite-agent oidc request-token --audience "$s3lo_audience" --lifetime 300 </dev/null) && [ -n "$s3lo_token" ] ||
    fail "the agent gave no identity token for $s3lo_audience, see above"
  # The agent redacts the tokens that it issues; an older one is asked to.
  printf %s "$s3lo_token" | buildkite-agent redactor add >/dev/null 2>&1 || :
  export "$s3lo_variable=$s3lo_token" && give "$s3lo_variable"
done <<<"$s3lo_tokens"
[ -z "${s3lo_stopped:-}" ] || fail "the job is cancelled"
start "$s3lo_work" && finish 0 || finish $?
