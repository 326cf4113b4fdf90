#!/usr/bin/env bash
# The hooks of the Buildkite plugin: `s3lo-sign.bash HOOK`. The program itself runs in a container and reads the
# plugin's configuration itself, from BUILDKITE_PLUGIN_CONFIGURATION. This is the part for the agent's machine only:
# run the step's command, ask the agent for identity tokens, annotate the build and set its meta-data.
#
# Written for the bash 3.2 of macOS too: under its `set -u`, `${array[@]}` of an empty array is an error.
# Variables that live while another program runs are named s3lo_…: a variable of the job with the same name would
# reach that program changed.
set -euo pipefail

# The image of this version.
s3lo_image=ghcr.io/s3lo/sign-action:1.0.0

s3lo_hook=$1
s3lo_home=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# Letters are those of ASCII here; the step's command keeps what it has.
[ "$s3lo_hook" = command ] || LC_ALL=C

say() { printf 's3lo-sign: %s\n' "$1"; }
# A line that begins with `+++` is an open section of the log.
fail() {
  printf '+++ s3lo-sign: %s\n' "$1" >&2
  exit 2
}

is_name() { [[ $1 =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]]; }

# The agent names a plugin's variables after its repository, which may be a fork's.
is_name "${BUILDKITE_PLUGIN_NAME:-}" || fail "BUILDKITE_PLUGIN_NAME is not set: run this as a plugin, by the Buildkite agent"
s3lo_prefix=BUILDKITE_PLUGIN_${BUILDKITE_PLUGIN_NAME}_

option() { # NAME [DEFAULT]
  local variable=$s3lo_prefix$1
  printf %s "${!variable:-${2:-}}"
}

# An option that is a text or a list of texts, one a line.
lines() { # NAME
  local line number=0 variable=$s3lo_prefix$1
  {
    printf '%s\n' "${!variable:-}"
    while variable=$s3lo_prefix$1_$number && [ -n "${!variable+set}" ]; do
      printf '%s\n' "${!variable}"
      number=$((number + 1))
    done
  } | while read -r line; do
    [ -z "$line" ] || printf '%s\n' "$line"
  done
}

is_on() { # NAME DEFAULT
  case $(option "$1" "$2") in true | True | TRUE) return 0 ;; *) return 1 ;; esac
}

# The program leaves these options to the hooks: only this check reports a misspelt value.
check() {
  local name known
  [ -z "$(option COMMAND_0)" ] || fail "command is a list, where one word is expected"
  # The program refuses unknown settings and names the right ones; after the step's command that is too late.
  if [ -n "${BUILDKITE_COMMAND:-}" ]; then
    known=$(sed -n '/^  properties:/,/^  required:/s/^    \([a-z-]*\):$/\1/p' "$s3lo_home/plugin.yml" | tr 'a-z-' 'A-Z_')
    while read -r name; do
      name=${name#"$s3lo_prefix"}
      [[ ! $name =~ ^(.*)_[0-9]+$ ]] || name=${BASH_REMATCH[1]}
      grep -qx -- "$name" <<<"$known" || fail "there is no setting \`$(tr 'A-Z_' 'a-z-' <<<"$name")\`"
    done < <(compgen -v "$s3lo_prefix")
  fi
  case $s3lo_work in sign | verify) ;; *) fail "command is neither sign nor verify" ;; esac
  case $(option STEP_COMMAND) in '' | run | leave) ;; *) fail "step-command is neither run nor leave" ;; esac
  for name in ANNOTATE META_DATA MOUNT_CHECKOUT; do
    case $(option $name) in '' | true | True | TRUE | false | False | FALSE) ;;
      *) fail "$(tr '[:upper:]_' '[:lower:]-' <<<"$name") is neither true nor false" ;;
    esac
  done
  while read -r name; do
    is_name "$name" || fail "environment lists the names of variables"
  done < <(lines ENVIRONMENT)
  case $s3lo_image in -* | *[[:space:]]*) fail "image is not the name of an image" ;; esac
}

s3lo_work=$(option COMMAND sign)
s3lo_image=$(option IMAGE "$s3lo_image")
check
case $s3lo_hook in
  pre-command)
    # shellcheck source=hooks/lib/container.bash
    . "$s3lo_home/hooks/lib/container.bash"
    if [ "$s3lo_work" = verify ]; then run_image; else fetch_image; fi
    ;;
  command)
    # shellcheck source=hooks/lib/step.bash
    . "$s3lo_home/hooks/lib/step.bash"
    run_step
    ;;
  post-command)
    [ "$s3lo_work" = sign ] || exit 0
    if [ "${BUILDKITE_COMMAND_EXIT_STATUS:-unknown}" != 0 ]; then
      say "nothing is signed: the step's command ended with status ${BUILDKITE_COMMAND_EXIT_STATUS:-unknown}"
    elif [ "${BUILDKITE_JOB_CANCELLED:-}" = true ]; then
      say "nothing is signed: the job is cancelled"
    else
      . "$s3lo_home/hooks/lib/container.bash"
      run_image
    fi
    ;;
esac
