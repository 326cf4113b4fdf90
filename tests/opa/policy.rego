# The decision of a policy, written from the documentation of the policy file alone: a second opinion, which the tests
# compare with the program's own. Where the documentation leaves something open, the comment says how this reads it.
package policy

# The answer. It is undefined if the question itself is not understood.
word := verdict if understood

understood if {
	is_string(input.image)
	regex.match(`^sha256:[0-9a-f]{64}$`, input.digest)
	is_number(now)
	"policy" in object.keys(input)
	is_object(input.keys)
	every identity in input.keys { is_string(identity) }
	is_object(input.signatures)
	every signature in input.signatures { finding(signature) }
}

finding(signature) if {
	signature.state == "valid"
	is_number(signature.schema)
}

finding(signature) if signature.state in {"invalid", "unknown"}

verdict := "error" if {
	count(faults) > 0
} else := "refused" if {
	count(deciding) == 0
} else := "undecided" if {
	count(deciding) > 1
} else := "refused" if {
	rule.deny != null
} else := "refused" if {
	input.digest in rule["deny-digests"]
} else := "verified" if {
	passes(signed)
} else := "undecided" if {
	passes(signed | unknown)
} else := "refused"

## Which rule decides

candidates[index] := most_specific if {
	some index, candidate in rules
	most_specific := max({specificity(pattern) | some pattern in candidate.images; matches(pattern)})
}

# Only a tie of the most specific is one: a rule that does not decide may equal another.
deciding := {index | some index, specific in candidates; specific == highest}

highest := max({specific | some specific in candidates})

rule := rules[index] if some index in deciding

# Arrays are compared item by item.
specificity(pattern) := [1, 0] if {
	not contains(pattern, "*")
} else := [0, indexof(pattern, "*")]

matches(pattern) if {
	# Most patterns end here, before one is compiled.
	startswith(input.image, split(pattern, "*")[0])
	regex.match(expression(pattern), input.image)
}

# `glob.match` is no help: it knows more than `*` and `**`.
expression(pattern) := concat("", [`^`, concat(`[\s\S]*`, spans), `$`]) if {
	quoted := regex.replace(pattern, `[.+?()|\[\]{}^$\\]`, `\$0`)
	spans := [concat(`[^/]*`, split(span, "*")) | some span in split(quoted, "**")]
}

## What a requirement asks for

minimum := object.get(rule, "min-schema", 2)

signed contains identity if {
	some identity, signature in input.signatures
	signature.state == "valid"
	signature.schema >= minimum
	not identity in spent
}

unknown contains identity if {
	some identity, signature in input.signatures
	signature.state == "unknown"
	not identity in spent
}

# The public keys that no longer count: what holds for one name of a key holds for all.
spent contains input.keys[name] if {
	some name, key in keys
	is_string(key.revoked)
}

# `not-after` is the last second in which the key counts, whatever fraction of it is over.
spent contains input.keys[name] if {
	some name, last in last_moments
	last < now
}

now := moment(input.now)

last_moments := {name: moment(key["not-after"]) | some name, key in keys}

passes(signers) if {
	every requirement in rule.require { met(requirement, signers) }
}

met(requirement, signers) if {
	some name in requirement.any
	input.keys[name] in signers
}

met(requirement, signers) if {
	every name in requirement.all { input.keys[name] in signers }
}

met(requirement, signers) if count(identities(requirement.of) & signers) >= requirement["at-least"]

identities(names) := {input.keys[name] | some name in names}

## A time with its offset, in whole seconds

# OPA's own functions for times know only the years from 1678 to 2262. What TOML takes is taken: a space or a `t` in the
# place of `T`, and a leap second.
moment(text) := seconds if {
	is_string(text)
	[[_, year, month, day, hour, minute, second, sign, offset_hour, offset_minute]] := regex.find_all_string_submatch_n(
		`^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt ]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.\d+)?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))$`,
		text, 1,
	)
	first := days(number(year), number(month))
	number(day) <= days_in(number(year), number(month))
	minutes := ((((first + number(day)) * 24) + number(hour)) * 60) + number(minute)
	seconds := ((minutes - offset(sign, offset_hour, offset_minute)) * 60) + number(second)
}

# The zeros before a number are no part of one to `to_number`.
number(digits) := to_number(significant) if {
	significant := trim_left(digits, "0")
	significant != ""
} else := 0

offset("", _, _) := 0

offset("+", hour, minute) := (number(hour) * 60) + number(minute)

offset("-", hour, minute) := 0 - ((number(hour) * 60) + number(minute))

# The days before a month, counted in years that begin with March: the leap day is then the last of its year.
days(year, month) := days_from_march(year, month - 3) if month > 2

days(year, month) := days_from_march(year - 1, month + 9) if month <= 2

days_from_march(year, month) := ((((year * 365) + floor(year / 4)) - floor(year / 100)) + floor(year / 400)) + floor(((153 * month) + 2) / 5)

days_in(_, month) := 31 if month in {1, 3, 5, 7, 8, 10, 12}

days_in(_, month) := 30 if month in {4, 6, 9, 11}

days_in(year, 2) := days(year, 3) - days(year, 2)

## Errors of the file

# What is no table or list has a fault of its own, and is left out of what the other rules look at.
default keys := {}

keys := input.policy.keys if is_object(input.policy.keys)

default rules := []

rules := input.policy.rules if is_array(input.policy.rules)

key_names := object.keys(keys)

key_tables := {name: key | some name, key in keys; is_object(key)}

rule_tables := {index: written | some index, written in rules; is_object(written)}

faults contains "policy: not a table" if not is_object(input.policy)

faults contains sprintf("policy: no `%s`", [field]) if {
	is_object(input.policy)
	some field in ({"version", "keys", "rules"} - object.keys(input.policy))
}

faults contains sprintf("policy: `%s`", [field]) if {
	is_object(input.policy)
	some field, value in input.policy
	not policy_field(field, value)
}

policy_field("version", 1)

policy_field("keys", listed) if {
	is_object(listed)
	count(listed) > 0
}

policy_field("rules", listed) if {
	is_array(listed)
	count(listed) > 0
}

# Keys

faults contains sprintf("keys: the name `%s`", [name]) if {
	some name in key_names
	not regex.match(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`, name)
}

faults contains sprintf("keys.%s: not a table", [name]) if {
	some name, key in keys
	not is_object(key)
}

faults contains sprintf("keys.%s: no `public`", [name]) if {
	some name, key in key_tables
	not "public" in object.keys(key)
}

faults contains sprintf("keys.%s: `%s`", [name, field]) if {
	some name, key in key_tables
	some field, value in key
	not key_field(field, value)
}

faults contains sprintf("keys.%s: `not-after`", [name]) if {
	some name, key in key_tables
	"not-after" in object.keys(key)
	not name in object.keys(last_moments)
}

faults contains sprintf("keys.%s: a service's key without `allow-remote`", [name]) if {
	some name, key in key_tables
	remote(key.public)
	not key["allow-remote"]
}

faults contains sprintf("keys.%s: `allow-remote` for a key of no service", [name]) if {
	some name, key in key_tables
	key["allow-remote"]
	not remote(key.public)
}

faults contains sprintf("keys.%s: a service's key with `%s`", [name, field]) if {
	some name, key in key_tables
	remote(key.public)
	some field in ({"revoked", "not-after"} & object.keys(key))
}

faults contains sprintf("keys.%s: cannot be read", [name]) if {
	some name in (key_names - object.keys(input.keys))
}

key_field("public", public) if remote(public)

key_field("public", public) if {
	is_string(public)
	contains(public, "-----BEGIN PUBLIC KEY-----")
}

key_field("public", public) if path(public)

# Whether it is needed is looked at above.
key_field("allow-remote", allowed) if is_boolean(allowed)

# Its value is looked at above.
key_field("not-after", _)

key_field("revoked", text) if reason(text)

reason(text) if {
	is_string(text)
	regex.match(`\S`, text)
}

remote(public) if {
	is_string(public)
	strings.any_prefix_match(public, ["awskms://", "hashivault://", "openbao://"])
}

# A file in the directory of the policy or below it. A `.` is a part of the path, but not the file.
path(public) if {
	is_string(public)
	not regex.match(`-----BEGIN |://|[\\\x00-\x1f\x7f-\x{9f}]`, public)
	not regex.match(`(^|/)(\.\.)?(/|$)|(^|/)\.$`, public)
}

# Rules

faults contains sprintf("rules[%d]: not a table", [index]) if {
	some index, written in rules
	not is_object(written)
}

faults contains sprintf("rules[%d]: no `images`", [index]) if {
	some index, written in rule_tables
	not "images" in object.keys(written)
}

faults contains sprintf("rules[%d]: no `require`", [index]) if {
	some index, written in rule_tables
	object.keys(written) & {"require", "deny"} == set()
}

faults contains sprintf("rules[%d]: `deny` beside `%s`", [index, field]) if {
	some index, written in rule_tables
	"deny" in object.keys(written)
	some field in ({"require", "min-schema", "deny-digests"} & object.keys(written))
}

faults contains sprintf("rules[%d]: `%s`", [index, field]) if {
	some index, written in rule_tables
	some field, value in written
	not rule_field(field, value)
}

rule_field("images", patterns) if {
	is_array(patterns)
	count(patterns) > 0
	every pattern in patterns { pattern_of_images(pattern) }
}

rule_field("require", requirements) if {
	is_array(requirements)
	count(requirements) > 0
	every requirement in requirements { requirement_of_keys(requirement) }
}

rule_field("min-schema", schema) if schema in {1, 2}

rule_field("deny-digests", digests) if {
	is_array(digests)
	count(digests) > 0
	count(digests) == count({digest | some digest in digests})
	every digest in digests {
		is_string(digest)
		regex.match(`^sha256:[0-9a-f]{64}$`, digest)
	}
}

rule_field("deny", text) if reason(text)

# Patterns

faults contains sprintf("rules: the pattern `%s` twice", [pattern]) if {
	patterns := [pattern | some written in rules; some pattern in written.images]
	count(patterns) > count({pattern | some pattern in patterns})
	some pattern in patterns
	count([same | some same in patterns; same == pattern]) > 1
}

pattern_of_images("**")

pattern_of_images(pattern) if {
	is_string(pattern)
	startswith(pattern, "s3://")
	located := substring(pattern, 5, -1)
	names_images(located)

	# What no bucket is called. Up to `**` it is the bucket.
	regex.match(`^[A-Za-z0-9._*-]*(/|\*\*)`, located)
}

pattern_of_images(pattern) if {
	is_string(pattern)
	startswith(pattern, "local://")

	# The directory is one part, with its `./`, `../` or `/`.
	names_images(regex.replace(substring(pattern, 8, -1), `^(\./|\.\./|/)`, ""))
}

names_images(located) if {
	# A part is behind the directory or bucket.
	regex.match(`/|\*\*`, located)

	not regex.match(refused_in_patterns, located)
}

refused_in_patterns := concat("|", [
	# Characters of other tools, and control characters.
	`[?\[\]{}\\\x00-\x1f\x7f-\x{9f}]`,
	`\*\*\*`,
	# A tag, in the last part, and what stands before a digest.
	`:[^/]*$`,
	`@`,
	# White space before it is before the scheme.
	`\s$`,
	# A part that is empty, `.` or `..`.
	`(^|/)\.{0,2}(/|$)`,
	# A variable that was not replaced with its value.
	`\$[A-Za-z_]`,
])

# Requirements

requirement_of_keys(requirement) if {
	is_object(requirement)
	object.keys(requirement) in {{"any"}, {"all"}}
	every names in requirement { names_of_keys(names) }
}

requirement_of_keys(requirement) if {
	is_object(requirement)
	object.keys(requirement) == {"at-least", "of"}
	names_of_keys(requirement.of)
	least := requirement["at-least"]
	is_number(least)
	least == floor(least)
	least >= 1
	least <= count(different(requirement.of))
}

# The names of one public key are one. Which key a service has is not in the file: its name there counts.
different(names) := {which |
	some name in names
	which := object.get(services, name, {"key": input.keys[name]})
}

services := {name: {"service": key.public} | some name, key in key_tables; remote(key.public)}

names_of_keys(names) if {
	is_array(names)
	count(names) > 0
	distinct := {name | some name in names}
	count(distinct) == count(names)
	distinct & key_names == distinct
}
