# What the stand-ins of actions share: they source it.
# shellcheck shell=bash
refuse() { echo "$(basename "$0"): $*" >&2; exit 1; }
# An input, as the runner hands it to an action; empty where it is not given.
input() { printenv "INPUT_${1^^}" || true; }
# Refuses an input that the action does not declare. The runner warns of one and goes on.
declares() { # NAME...
  local name
  while IFS= read -rd '' name; do
    name=${name%%=*} name=${name#INPUT_}
    [[ " $* " = *" ${name,,} "* ]] || refuse "Unexpected input '${name,,}'"
  done < <(env --null | grep --null-data '^INPUT_')
}
boolean() { # NAME DEFAULT: prints `true` or `false`, as `getBooleanInput` reads it
  local value
  value=$(input "$1")
  case ${value:-$2} in
    true | True | TRUE) echo true ;;
    false | False | FALSE) echo false ;;
    *) refuse "Input does not meet YAML 1.2 \"Core Schema\" specification: $1" ;;
  esac
}
