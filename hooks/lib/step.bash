#!/usr/bin/env bash
# Runs the step's command as it would run without this plugin, whose command hook hides it. Sourced by
# s3lo-sign.bash.

# The step's plugins, as the agent locates them, one a line: strings in the list, or names in its objects.
listed_plugins() {
  local rest=${BUILDKITE_PLUGINS:-} depth=0 before text
  while before=${rest%%[][\{\}\"]*} && [ "$before" != "$rest" ]; do
    rest=${rest#"$before"}
    case $rest in
      [[\{]*) depth=$((depth + 1)) ;;
      []\}]*) depth=$((depth - 1)) ;;
      *)
        text='' rest=${rest#?}
        while before=${rest%%[\\\"]*} && rest=${rest#"$before"} && [ "${rest:0:1}" = \\ ]; do
          text=$text$before${rest:0:2} rest=${rest:2}
        done
        [ $depth -gt 2 ] || printf '%s\n' "$text$before"
        ;;
    esac
    rest=${rest#?}
  done
}

# Where the agent keeps the plugin of a location; nothing where that cannot be seen.
folder_of() { # LOCATION
  local location=${1#*://} inside='' id parent
  case $location in
    .*) printf %s "${BUILDKITE_BUILD_CHECKOUT_PATH:-$PWD}/${location%%#*}"; return ;;
    *@*/*) location=${location#*@} ;;
  esac
  # A plugin may be in a folder of its repository.
  case ${location%%#*} in
    github.com/*/*/* | bitbucket.org/*/*/*)
      inside=$(sed 's|#.*||; s|^[^/]*/[^/]*/[^/]*||; s|\.git$||' <<<"$location")
      ;;
    gitlab.com/*) ;;
    *.git/*) inside=$(sed 's|#.*||; s|.*\.git\(/.*\)|\1|; s|\.git$||' <<<"$location") ;;
  esac
  id=$(sed 's/[^A-Za-z0-9]\{1,\}/-/g; s/^-//; s/-$//' <<<"$location")
  for parent in "${BUILDKITE_PLUGINS_PATH:-}/${BUILDKITE_AGENT_NAME:-}" "${BUILDKITE_PLUGINS_PATH:-}" "${s3lo_home%/*}"; do
    [ ! -d "$parent/$id$inside/hooks" ] || { printf %s "$parent/$id$inside"; return; }
  done
}

# The other plugin that takes the step's command, by its location; `? ` before one of which that cannot be seen.
other_runner() {
  local location folder unseen=''
  while read -r location; do
    folder=$(folder_of "$location")
    if [ -z "$folder" ]; then
      unseen="? $location"
    # This plugin once more, maybe in another version or a fork.
    elif [ -e "$folder/hooks/lib/s3lo-sign.bash" ]; then
      :
    elif [ -e "$folder/hooks/command" ] || [ -e "$folder/hooks/command.ps1" ]; then
      printf %s "$location"
      return
    fi
  done < <(listed_plugins)
  printf %s "$unseen"
}

# All of this is as the agent does it where no plugin takes the command: it looks for command hooks in the repository, then
# among its own, and runs the command itself where there are none.
# https://github.com/buildkite/agent/blob/v3.137.0/internal/job/executor.go, `runCommand` and `defaultCommandPhase`

# The command hooks that are there, one a line.
hooks_of_the_agent() {
  local hook=${BUILDKITE_BUILD_CHECKOUT_PATH:-$PWD}/.buildkite/hooks/command folder
  if [ -f "$hook" ]; then
    case ${BUILDKITE_LOCAL_HOOKS_ENABLED:-true}/${BUILDKITE_NO_LOCAL_HOOKS:-} in
      false/* | */true | */1) fail "local hooks are disabled on this agent, and there is $hook" ;;
    esac
    printf '%s\n' "$hook"
    return
  fi
  while read -r folder; do
    [ -z "$folder" ] || [ ! -f "$folder/command" ] || printf '%s\n' "$folder/command"
  done < <(tr , '\n' <<<"${BUILDKITE_HOOKS_PATH:-},${BUILDKITE_ADDITIONAL_HOOKS_PATHS:-}")
}

# The script that the command is, if it is a file; an agent may allow nothing else.
script_of_the_step() {
  local script=${BUILDKITE_COMMAND//$'\n'/} path inside=''
  path=$PWD/$script
  path=$(cd -L "${path%/*}" 2>/dev/null && printf %s "${PWD%/}/${path##*/}") || path=
  case $path in "$PWD"/*) inside=./${path#"$PWD"/} ;; esac
  if [ "${BUILDKITE_COMMAND_EVAL:-true}" = true ]; then
    [ -n "$path" ] && [ -e "$path" ] || return 0
    chmod +x "$path"
  elif [ -z "$inside" ] || [ ! -e "$path" ]; then
    fail "this agent runs nothing but scripts of the repository, and the step's command is none (BUILDKITE_COMMAND_EVAL)"
  fi
  printf %s "${inside:-./$script}"
}

run_as_the_agent() {
  # The configuration is this plugin's, and none of the command's business.
  for s3lo_variable in "${!BUILDKITE_PLUGIN_@}"; do
    case $s3lo_variable in
      BUILDKITE_PLUGIN_NAME | BUILDKITE_PLUGIN_CONFIGURATION | "$s3lo_prefix"*) unset "$s3lo_variable" ;;
    esac
  done
  s3lo_hooks=$(hooks_of_the_agent)
  if [ -n "$s3lo_hooks" ]; then
    while read -r s3lo_hook <&3; do
      say "$s3lo_hook runs the step's command"
      if [ -x "$s3lo_hook" ]; then "$s3lo_hook" 3<&-; else bash "$s3lo_hook" 3<&-; fi
    done 3<<<"$s3lo_hooks"
    exit 0
  fi
  s3lo_command=$(script_of_the_step)
  if [ -n "$s3lo_command" ]; then
    printf '~~~ Running script\n'
  else
    s3lo_command=$BUILDKITE_COMMAND
    printf '~~~ Running commands\n'
  fi
  printf '$ %s\n' "$s3lo_command"
  # The words of a command line, some of them maybe quoted.
  s3lo_shell=()
  while IFS= read -r s3lo_word; do
    s3lo_shell+=("$s3lo_word")
  done < <(xargs -n 1 printf '%s\n' <<<"${BUILDKITE_SHELL:-/bin/bash -e -c}")
  exec "${s3lo_shell[@]}" "$s3lo_command"
}

run_step() {
  s3lo_choice=$(option STEP_COMMAND)
  s3lo_other=$(other_runner)
  if [ "${BUILDKITE_STRICT_SINGLE_HOOKS:-}" = true ] && [ "$s3lo_choice" != run ]; then
    # If this hook runs, no other does.
    case $s3lo_choice$s3lo_other in
      '' | '? '*) ;;
      leave | 'leave? '*) fail "this agent runs the command hook of one plugin, and this is it: step-command has to be run" ;;
      *) fail "this agent runs the command hook of one plugin: list ${s3lo_other} before s3lo-sign" ;;
    esac
  fi
  # In a step without a command there is nothing to run: the other hooks sign or verify.
  [ -n "${BUILDKITE_COMMAND//[[:space:]]/}" ] || exit 0
  case $s3lo_choice/$s3lo_other in
    / | run/*) run_as_the_agent ;;
    leave/) fail "step-command is leave, and no other plugin of the step runs its command" ;;
    leave/*) ;;
    '/? '*) fail "whether ${s3lo_other#? } runs the step's command cannot be seen: set step-command to leave if so, else to run" ;;
    *) say "$s3lo_other runs the step's command" ;;
  esac
}
