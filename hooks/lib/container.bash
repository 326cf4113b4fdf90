#!/usr/bin/env bash
# Runs the program in its container: its input, and its results in the build. Sourced by s3lo-sign.bash.

# - the image

fetch_image() {
  command -v docker >/dev/null || fail "docker is not installed on this agent: $s3lo_image cannot be run; where jobs run in containers, let the step run \`s3lo ci\` in the image with a shell: https://github.com/s3lo/sign-action/blob/main/docs/ci-systems.md#buildkite-in-kubernetes"
  docker image inspect "$s3lo_image" >/dev/null 2>&1 || docker pull --quiet "$s3lo_image" >/dev/null ||
    fail "the image $s3lo_image cannot be pulled, see above"
}

# - who the job is

# A token for AUDIENCE. The agent redacts the tokens that it issues; an older one is asked to.
token_for() { # AUDIENCE
  local token
  token=$(buildkite-agent oidc request-token --audience "$1" --lifetime 300) || token=
  [ -n "$token" ] || fail "the agent gave no identity token for $1, see above"
  printf %s "$token" | buildkite-agent redactor add >/dev/null 2>&1 || :
  printf %s "$token"
}

# For whom the token for AWS is, where a role is assumed by one.
audience_of_aws() {
  local role
  role=$(option ROLE_TO_ASSUME "$(option ROLE_ARN)")
  [ -n "$role" ] && [ -z "$(option WEB_IDENTITY_TOKEN_FILE)$(option WEB_IDENTITY_TOKEN_ENV)" ] || return 0
  case $role in
    arn:aws-cn:*) option AUDIENCE sts.amazonaws.com.cn ;;
    *) option AUDIENCE sts.amazonaws.com ;;
  esac
}

# The first key in Vault or OpenBao.
key_in_vault() {
  local key
  while read -r key; do
    case $key in hashivault://* | openbao://*)
      printf %s "$key"
      return
      ;;
    esac
  done < <(lines KEY)
}

# The value of the first of these that is set.
held() { # VARIABLE...
  local variable
  for variable; do
    [ -z "${!variable:-}" ] || { printf %s "${!variable}"; return; }
  done
}

# The server that the variables of a family name.
server_of() { # FAMILY
  held "${1}_AGENT_ADDR" "${1}_ADDR" "${1}_SERVER_URL"
}

# For whom the token for Vault is, where a login takes one: by the rules of the program, which is given the same options
# and variables and has to find the same server.
audience_of_vault() {
  local key family=VAULT other=BAO jwt role others method
  key=$(key_in_vault)
  case $key in
    '') return ;;
    openbao:*) family=BAO other=VAULT ;;
  esac
  [ -n "$(server_of $family)" ] || [ -z "$(server_of $other)" ] || family=$other

  jwt=$(option VAULT_JWT_FILE)$(option VAULT_JWT_ENV)
  role=$(option VAULT_ROLE)$(option VAULT_AUDIENCE)
  others=$(option VAULT_AUTH)$(option VAULT_AUTH_MOUNT)
  [ -n "$jwt$role$others" ] || [ -z "$(held ${family}_TOKEN ${family}_TOKEN_FILE)" ] || return 0
  method=$(option VAULT_AUTH "$(held ${family}_AUTH_METHOD)")
  if [ -z "$method" ]; then
    if [ -n "$role$(held ${family}_AUTH_ROLE)" ]; then method=jwt
    elif [ -n "$(held ${family}_ROLE_ID ${family}_SECRET_ID)" ]; then method=approle
    elif [ -n "$others" ]; then method=jwt
    fi
  fi
  [ "$method" = jwt ] && [ -z "$jwt" ] || return 0
  option VAULT_AUDIENCE "$(address_of "$key" "$(option VAULT_ADDRESS "$(server_of $family)")")"
}

# The server's URL: the host that the key names, by HTTPS; where an address is given, it supplies the scheme, a port
# that is missing, and the path. Where the key names none, the address; a socket names no server.
address_of() { # KEY ADDRESS
  local host=${1#*://} address=${2%/} scheme=https path=''
  case $address in unix://*) return ;; http://*) scheme=http ;; esac
  address=${address#*://}
  case $address in */*) path=/${address#*/} address=${address%%/*} ;; esac
  case $host in
    */v1/*)
      host=${host%%/*}
      case $host in *:*[0-9]) ;; *) host=$host$(sed -n 's/.*\(:[0-9]*\)$/\1/p' <<<"$address") ;; esac
      ;;
    *) host=$address ;;
  esac
  [ -n "$host" ] || return 0
  case $scheme://$host in https://*:443 | http://*:80) host=${host%:*} ;; esac
  printf '%s://%s%s\n' "$scheme" "$(tr '[:upper:]' '[:lower:]' <<<"$host")" "$path"
}

# - the container's input

s3lo_arguments=() s3lo_handed=' ' s3lo_shown=$'\n'

# Passes variables by name only: their values are not among the arguments.
hand() { # VARIABLE...
  local variable
  for variable; do
    # Anything but a name may be a secret in the wrong place.
    is_name "$variable" && [ -n "${!variable:-}" ] || continue
    case $s3lo_handed in *" $variable "*) continue ;; esac
    s3lo_arguments+=(-e "$variable")
    s3lo_handed="$s3lo_handed$variable "
  done
}

# Docker reads a mount as a line of CSV.
mount() { # SOURCE TARGET [readonly]
  local q='"'
  s3lo_arguments+=(--mount "type=bind,${q}source=${1//$q/$q$q}$q,${q}target=${2//$q/$q$q}$q${3:+,$3}")
}

# Mounts a file that is not in the checkout. The program reports one that is missing.
show() { # PATH
  case $1 in /*) ;; *) return 0 ;; esac
  case $s3lo_shown in *$'\n'"$1"$'\n'*) return 0 ;; esac
  case $1 in "${s3lo_checkout:-/dev/null}"/*) return 0 ;; esac
  [ -e "$1" ] || return 0
  mount "$1" "$1" readonly
  s3lo_shown=$s3lo_shown$1$'\n'
}

# Passes variables that name files, with the files.
hand_with_file() { # VARIABLE...
  local variable
  for variable; do
    hand "$variable"
    show "${!variable:-}"
  done
}

hand_environment() {
  local key variable family
  # The environment, the task, and the name of a role's session.
  hand BUILDKITE BUILDKITE_PIPELINE_SLUG BUILDKITE_BUILD_NUMBER BUILDKITE_PLUGIN_NAME BUILDKITE_PLUGIN_CONFIGURATION
  hand S3LO_RESULTS_DIRECTORY S3LO_SUMMARY_FILE
  # The variables that the configuration names.
  while read -r variable; do
    # It may be a pin: signing without one would fail open.
    [ -n "${!variable+set}" ] || fail "environment names $variable, which is not set: set it before this hook, or take it out of environment"
    [ -n "${!variable}" ] || fail "environment names $variable, which is empty"
    hand "$variable"
  done < <(lines ENVIRONMENT)
  hand "$(option WEB_IDENTITY_TOKEN_ENV)" "$(option VAULT_JWT_ENV)"
  show "$(option WEB_IDENTITY_TOKEN_FILE)"
  show "$(option VAULT_JWT_FILE)"
  while read -r key; do
    case $key in env://*) hand "${key#env://}" ;; *) show "$key" ;; esac
  done < <(lines KEY)
  hand COSIGN_PASSWORD
  # The way out of here.
  hand HTTPS_PROXY HTTP_PROXY ALL_PROXY NO_PROXY https_proxy http_proxy all_proxy no_proxy
  hand_with_file AWS_CA_BUNDLE SSL_CERT_FILE
  # AWS: where it is; and credentials of the agent or of another plugin, unless a role is assumed, whose session serves
  # S3 and KMS alike.
  hand AWS_REGION AWS_DEFAULT_REGION AWS_ROLE_SESSION_NAME AWS_MAX_ATTEMPTS AWS_RETRY_MODE
  hand AWS_USE_FIPS_ENDPOINT AWS_USE_DUALSTACK_ENDPOINT
  hand AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3 AWS_ENDPOINT_URL_KMS AWS_ENDPOINT_URL_STS
  if [ -z "$(option ROLE_TO_ASSUME)$(option ROLE_ARN)" ]; then
    hand AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_PROFILE AWS_ROLE_ARN AWS_EC2_METADATA_DISABLED
    hand AWS_CONTAINER_CREDENTIALS_RELATIVE_URI AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_AUTHORIZATION_TOKEN
    hand_with_file AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE AWS_WEB_IDENTITY_TOKEN_FILE
    hand_with_file AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
  fi
  # Vault and OpenBao, where a key is in one.
  [ -n "$(key_in_vault)" ] || return 0
  # The socket of an agent.
  for variable in "$(option VAULT_ADDRESS)" "$(server_of VAULT)" "$(server_of BAO)"; do
    case $variable in unix://*) show "${variable#unix://}" ;; esac
  done
  hand TRANSIT_SECRET_ENGINE_PATH
  for family in VAULT BAO; do
    for variable in ADDR AGENT_ADDR SERVER_URL NAMESPACE TOKEN AUTH_METHOD AUTH_ROLE AUTH_PATH ROLE_ID SECRET_ID \
      CACERT_BYTES SKIP_VERIFY TLS_SERVER_NAME PROXY_ADDR HTTP_PROXY CLIENT_TIMEOUT MAX_RETRIES; do
      hand ${family}_$variable
    done
    hand_with_file ${family}_TOKEN_FILE ${family}_CACERT ${family}_CAPATH ${family}_CLIENT_CERT ${family}_CLIENT_KEY
  done
}

# - the results in the build

# Steps do not overwrite each other's annotation; one that is tried again overwrites its own.
context() {
  local sum
  sum=$(cksum <<<"$BUILDKITE_PLUGIN_CONFIGURATION|${BUILDKITE_STEP_ID:-}|${BUILDKITE_LABEL:-}|${BUILDKITE_PARALLEL_JOB:-}")
  printf 's3lo-sign-%s-%s' "$s3lo_work" "${sum%% *}"
}

# Gives the agent a file to take to the build; whether it did.
report() { # FILE ARGUMENT...
  local file=$1
  shift
  buildkite-agent "$@" <"$file" >/dev/null 2>"$s3lo_folder/agent-error" && return
  say "\`buildkite-agent $1\` failed: $(tail -n 1 "$s3lo_folder/agent-error")"
  return 1
}

# The outcome for the image is decided by now: a build page that cannot be written changes nothing. But where a verified
# digest cannot be passed on, the step's command would deploy an earlier one.
leave_results() { # STATUS
  local file key set style=success
  [ "$1" = 0 ] || style=error
  if is_on ANNOTATE true && [ -s "$s3lo_folder/summary.md" ]; then
    report "$s3lo_folder/summary.md" annotate --style $style --context "$(context)" || true
  fi
  is_on META_DATA true || return 0
  for file in "$s3lo_folder/results"/*; do
    key=${file##*/}
    # Buildkite takes 100 kilobytes, and nothing blank.
    [ -f "$file" ] && [ "$key" != results ] && grep -q '[^[:space:]]' "$file" && [ "$(wc -c <"$file")" -le 100000 ] || continue
    set=true
    report "$file" meta-data set "s3lo-$s3lo_work:$key" || set=false
    # Meta-data belongs to the build, and the last step wins: one that has a key sets its own as well.
    [ -z "${BUILDKITE_STEP_KEY:-}" ] || report "$file" meta-data set "s3lo-$s3lo_work:$BUILDKITE_STEP_KEY:$key" || set=false
    case $s3lo_work/$key/$set in
      verify/digest/false | verify/verified/false) [ "$s3lo_status" != 0 ] || s3lo_status=2 ;;
    esac
  done
}

# - the run

run_image() {
  s3lo_checkout=${BUILDKITE_BUILD_CHECKOUT_PATH:-$PWD}
  # Beside the checkout: what can mount that can mount this, where a daemon that is confined or on another machine sees
  # another /tmp.
  s3lo_folder=$(mktemp -d "$(dirname "$s3lo_checkout")/.s3lo-sign.XXXXXXXX" 2>/dev/null || mktemp -d)
  trap 'rm -rf "$s3lo_folder"' EXIT
  # Docker passes a signal on to the program, which ends in order. Until then this waits.
  trap : INT TERM
  mkdir "$s3lo_folder/results"
  mount "$s3lo_folder" /s3lo
  export S3LO_RESULTS_DIRECTORY=/s3lo/results S3LO_SUMMARY_FILE=/s3lo/summary.md
  if is_on MOUNT_CHECKOUT true && [ -d "$s3lo_checkout" ]; then
    mount "$s3lo_checkout" "$s3lo_checkout" readonly
    case $PWD/ in
      "$s3lo_checkout"/*) s3lo_arguments+=(--workdir "$PWD") ;;
      *) s3lo_arguments+=(--workdir "$s3lo_checkout") ;;
    esac
  else
    s3lo_checkout=
  fi
  # The image first: tokens live for five minutes.
  fetch_image
  s3lo_audience=$(audience_of_aws)
  if [ -n "$s3lo_audience" ]; then
    BUILDKITE_OIDC_TOKEN=$(token_for "$s3lo_audience")
    export BUILDKITE_OIDC_TOKEN
    hand BUILDKITE_OIDC_TOKEN
  fi
  s3lo_audience=$(audience_of_vault)
  if [ -n "$s3lo_audience" ]; then
    VAULT_ID_TOKEN=$(token_for "$s3lo_audience")
    export VAULT_ID_TOKEN S3LO_VAULT_JWT_ENV=VAULT_ID_TOKEN
    hand VAULT_ID_TOKEN S3LO_VAULT_JWT_ENV
  fi
  hand_environment
  s3lo_status=0
  # The program is root in there, to read keys of any owner and to give what it writes to the agent; it may do no more.
  docker run --rm --read-only --security-opt no-new-privileges --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE \
    "${s3lo_arguments[@]}" "$s3lo_image" ci </dev/null || s3lo_status=$?
  [ $s3lo_status != 125 ] ||
    say "docker started no container, see above: its daemon has to see $s3lo_folder${s3lo_checkout:+ and $s3lo_checkout} as this agent does"
  leave_results $s3lo_status
  exit $s3lo_status
}
