"""The cost of a run at a distance, where it mostly waits: S3, KMS, Vault, STS and GitHub 50 ms away.

`benches/far` plays the services. Each measurement has its own, so that nothing is signed yet.
"""

import hashlib
import json
import os
import pathlib
import subprocess
from dataclasses import dataclass
from typing import Callable

from measuring import MANIFEST, VECTORS, WORK, Run, alternate, median, megabytes, milliseconds, spread

ROUND_TRIP = 50  # ms
IMAGES = 1000
REFERENCES = [f"s3://bench/myapp:t{number:04}" for number in range(1, IMAGES + 1)]
CONCURRENCY = 64
THROTTLE = 300  # requests a second
LEAST_SIGNATURES = 270  # a second, under that throttle
IMAGE = "s3://bench/myapp:t0001"
KEY = ["--key", "awskms:///alias/bench"]
ROLE = ["--role-arn", "arn:aws:iam::111122223333:role/signer"]
VAULT_KEY = ["--key", "hashivault://ci-signer"]
POLICY_KEYS = [VECTORS / f"plain-keys/{name}-pkcs8.key" for name in ("p256", "ed25519", "rsa2048")]
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
CA = WORK / "ca.pem"
# A run reads these before its first handshake: the public authorities, and among them the bench's own.
SYSTEM = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
ROOTS = WORK / "roots.pem"


class Services:
    """The services, from their start to the end of the block; then `did` lists the requests that they got."""

    def __init__(self, far, tls=False, throttle=None):
        options = ["--tls", CA] if tls else []
        options += ["--throttle", str(throttle)] if throttle else []
        command = [far, "serve", str(ROUND_TRIP), MANIFEST, str(IMAGES), *options]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.tls = tls
        ready = self.process.stdout.readline()
        if not ready:
            raise RuntimeError("the services did not start")
        self.ready = json.loads(ready)
        if tls:
            public = SYSTEM.read_text() if SYSTEM.exists() else ""
            ROOTS.write_text(public + CA.read_text())
        self.did = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Also after a failure, so that none outlives the run."""
        output, _ = self.process.communicate()
        self.did = json.loads(output)

    def url(self, service):
        """An address for S3, or the bucket would become part of a name that does not resolve."""
        host = "localhost" if self.tls and service != "s3" else "127.0.0.1"
        return f"{'https' if self.tls else 'http'}://{host}:{self.ready[service]}"

    @property
    def variables(self):
        """The settings that lead the program here, and past the files and the metadata service of this machine."""
        here = {f"AWS_ENDPOINT_URL_{name.upper()}": self.url(name) for name in ("s3", "kms", "sts")}
        trust = {"SSL_CERT_FILE": str(ROOTS), "SSL_CERT_DIR": os.devnull, "VAULT_CACERT": str(CA)}
        return here | (trust if self.tls else {}) | {
            "VAULT_ADDR": self.url("vault"),
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def floor(self, floor, far, requests, connections=1):
        """So many bare requests, and nothing else."""
        options = ["--tls", CA] if self.tls else []
        counts = [str(requests), str(connections), str(self.ready["kms"])]
        return Run(floor, far, "ask", *counts, *options)


def sign(_):
    return ["sign", IMAGE, *KEY], CREDENTIALS


def sign_with_token(services):
    token = WORK / "token"
    token.write_text(services.ready["token"])
    return ["sign", IMAGE, *KEY, *ROLE, "--web-identity-token-file", token], {}


def sign_on_github(services):
    """The token is GitHub's to give."""
    variables = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "octo/app",
        "GITHUB_RUN_ID": "1",
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{services.url('github')}/token?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": services.ready["githubToken"],
    }
    return ["sign", IMAGE, *KEY, *ROLE], variables


def sign_by_vault(services):
    return ["sign", IMAGE, *VAULT_KEY], at_vault(services)


def sign_by_vault_on_gitlab(services):
    """The job has no token of Vault's: it logs in with its own, and gives back what it got."""
    variables = CREDENTIALS | {"GITLAB_CI": "true", "VAULT_ID_TOKEN": services.ready["vaultJwt"]}
    return ["sign", IMAGE, *VAULT_KEY, "--vault-role", "release", "--vault-audience", "https://vault.example"], variables


def public_key(services):
    path = WORK / "bench.pub"
    path.write_text(services.ready["publicKey"])
    return path


def verify_by_file(services):
    return ["verify", IMAGE, "--key", public_key(services)], CREDENTIALS


def verify_by_kms(_):
    return ["verify", IMAGE, *KEY], CREDENTIALS


def verify_by_vault(services):
    return ["verify", IMAGE, *VAULT_KEY], at_vault(services)


def sign_by_three(*references):
    keys = [word for key in POLICY_KEYS for word in ("--key", key)]
    return ["sign", *references, *keys, "--schema-version", "2", "--concurrency", str(CONCURRENCY)], CREDENTIALS


def policy():
    """A rule that needs all three keys."""
    path = WORK / "s3lo-policy.toml"
    lines = ["version = 1"]
    for key in POLICY_KEYS:
        lines += [f"[keys.{key.stem}]", f'public = """{key.with_suffix(".pub").read_text()}"""']
    names = ", ".join(f'"{key.stem}"' for key in POLICY_KEYS)
    lines += ["[[rules]]", 'images = ["s3://bench/**"]', f"require = [{{ all = [{names}] }}]", ""]
    path.write_text("\n".join(lines))
    return path


def verify_by_policy(_):
    return ["verify", IMAGE, "--policy", policy()], CREDENTIALS


def verify_many_by_policy(_):
    return ["verify", *REFERENCES, "--policy", policy(), "--concurrency", str(CONCURRENCY)], CREDENTIALS


def asked_by_containerd(host):
    """The arguments of an image verifier, and the gate of a node whose images of `registry.example` are in the bucket."""
    file = WORK / "gate.toml"
    host_entry = '[[hosts]]\nhost = "registry.example"\nbucket = "bench"\n'
    file.write_text(f'policy = "{policy()}"\nother-images = "allow"\n{host_entry}')
    digest = f"sha256:{hashlib.sha256(MANIFEST.read_bytes()).hexdigest()}"
    descriptor = "application/vnd.oci.descriptor.v1+json"
    arguments = ["-name", f"{host}/myapp:t0001", "-digest", digest, "-stdin-media-type", descriptor]
    return arguments, CREDENTIALS | {"S3LO_GATE_CONFIG": str(file)}


def decide_at_gate(_):
    return asked_by_containerd("registry.example")


def at_vault(services):
    return CREDENTIALS | {"VAULT_TOKEN": services.ready["vaultToken"]}


def sign_many(_):
    return ["sign", *REFERENCES, *KEY, "--concurrency", str(CONCURRENCY)], CREDENTIALS


def verify_many(services):
    key = public_key(services)
    return ["verify", *REFERENCES, "--key", key, "--concurrency", str(CONCURRENCY)], CREDENTIALS


READ = "GET /v1/transit/keys/ci-signer"
SIGN = "POST /v1/transit/sign/ci-signer"
LOG_IN = "POST /v1/auth/jwt/login"
REVOKE = "POST /v1/auth/token/revoke-self"


@dataclass
class Row:
    """A figure. What a connection and TLS take is counted like the requests, in round trips."""

    figure: str
    command: Callable
    requests: int
    tls: bool = False
    before: Callable | None = None  # another command, which is not measured
    of_vault: tuple = ()  # what both ask of Vault, in this order

    @property
    def trips(self):
        return 1 + self.tls + self.requests

    @property
    def bound(self):
        trips = f"(2 + {self.requests})" if self.tls else f"(1 + {self.requests})"
        return f"1.15 × {trips} × {ROUND_TRIP} ms"

    @property
    def limit(self):
        return 1.15 * self.trips * ROUND_TRIP * 1000

    def check(self, vault):
        """A request that was not made costs nothing, and is no figure."""
        if vault["first"] != list(self.of_vault) or vault["refused"]:
            raise RuntimeError(f"{self.figure}: Vault was not asked as it should be: {vault}")


ROWS = [
    Row("KMS sign, plain HTTP, credentials at hand", sign, 3),
    Row("Vault sign, plain HTTP, token at hand", sign_by_vault, 3, of_vault=(READ, SIGN)),
    Row("KMS sign over TLS 1.3", sign, 3, tls=True),
    Row("Vault sign over TLS 1.3", sign_by_vault, 3, tls=True, of_vault=(READ, SIGN)),
    Row("KMS sign over TLS, an OIDC token exchanged first", sign_with_token, 4, tls=True),
    Row("KMS sign over TLS, GitHub asked for the token before", sign_on_github, 5, tls=True),
    Row(
        "Vault sign over TLS, login by a JWT, token revoked", sign_by_vault_on_gitlab, 5, tls=True,
        of_vault=(LOG_IN, READ, SIGN, REVOKE),
    ),
    Row("`verify` by a `.pub`, plain HTTP", verify_by_file, 1, before=sign),
    Row(
        "`verify --policy`, three public keys, plain HTTP", verify_by_policy, 1,
        before=lambda _: sign_by_three(IMAGE),
    ),
    Row(
        "the gate of a node, by three public keys, plain HTTP", decide_at_gate, 1,
        before=lambda _: sign_by_three(IMAGE),
    ),
    Row("`verify` by the KMS key, plain HTTP", verify_by_kms, 2, before=sign),
    Row(
        "`verify` by the Vault key, plain HTTP", verify_by_vault, 2, before=sign_by_vault,
        of_vault=(READ, SIGN, READ),
    ),
]
MEMORY = {
    "memory of a KMS sign": (sign, sign_with_token, sign_on_github),
    "memory of a Vault sign": (sign_by_vault, sign_by_vault_on_gitlab),
    "memory of `verify --policy` and of the gate": (verify_by_policy, decide_at_gate),
}


@dataclass
class Bar:
    """A row as it is drawn; times in ms."""

    figure: str
    measured: float
    floor: float
    bound: float


def run(floor, program, services, command):
    arguments, variables = command(services)
    return Run(floor, program, *arguments, variables=services.variables | variables)


def single(table, program, floor, far, row, repetitions):
    """One image. The runs of the program, and the bar."""

    def measured():
        with Services(far, row.tls) as services:
            if row.before:
                run(floor, program, services, row.before)
            done = run(floor, program, services, row.command)
        row.check(services.did["vault"])
        return done

    def least():
        with Services(far, row.tls) as services:
            return services.floor(floor, far, row.requests)

    runs = alternate(repetitions, program=measured, floor=least)
    wall = {name: [run.wall for run in list_] for name, list_ in runs.items()}
    took, bare = median(wall["program"]), median(wall["floor"])
    table.add(row.figure, took, bare, row.bound, milliseconds, row.limit, spread(wall["program"]))
    return runs, Bar(row.figure, took / 1000, bare / 1000, row.limit / 1000)


@dataclass
class Batch:
    """A figure of all images at once."""

    figure: str
    command: Callable
    requests: int  # for each image, that follow upon each other
    bound: str
    limit: Callable  # from the floor, in µs
    before: Callable | None = None
    connections: int = CONCURRENCY  # of the floor


# The wait for the connections, and of every image one, shared by the connections; in µs.
READS = (1 + IMAGES / CONCURRENCY) * ROUND_TRIP * 1000
BATCHES = [
    Batch(
        f"{IMAGES:,} images, signed by one KMS key, `--concurrency {CONCURRENCY}`", sign_many, 3,
        "1.1 × floor", lambda floor: 1.1 * floor,
    ),
    Batch(
        f"{IMAGES:,} images, verified by a `.pub`, `--concurrency {CONCURRENCY}`", verify_many, 1,
        f"1.15 × (1 + {IMAGES:,} ÷ {CONCURRENCY}) × {ROUND_TRIP} ms", lambda _: 1.15 * READS, before=sign_many,
    ),
    # The manifest and the records of an image are read at the same time.
    Batch(
        f"{IMAGES:,} images, verified by a policy of three keys, `--concurrency {CONCURRENCY}`", verify_many_by_policy, 4,
        "1.3 × floor", lambda floor: 1.3 * floor, before=lambda _: sign_by_three(*REFERENCES),
        connections=4 * CONCURRENCY,
    ),
]


def many(program, floor, far, repetitions, requests, command, before=None, throttle=None, connections=CONCURRENCY):
    """All images: the runs of the program and of bare requests, and what the last one asked for."""
    did = []

    def measured():
        with Services(far, throttle=throttle) as services:
            if before:
                run(floor, program, services, before)
            done = run(floor, program, services, command)
        did.append(services.did)
        return done

    def least():
        with Services(far, throttle=throttle) as services:
            return services.floor(floor, far, requests, connections)

    runs = alternate(repetitions, program=measured, floor=least)
    asked = {name: did[-1][name]["requests"] for name in ("s3", "kms")}
    note = (
        f"{spread([run.wall for run in runs['program']])}; processor of the services "
        f"{median([each['processorMs'] for each in did]):.0f} ms; the last asked S3 {asked['s3']} times "
        f"and KMS {asked['kms']} times, {did[-1]['kms']['refused']} of them refused"
    )
    return runs, note


def walls(runs):
    return (median([run.wall for run in runs[who]]) for who in ("program", "floor"))


def seconds(value):
    return f"{value / 1e6:.2f} s"


def signatures(value):
    return f"{IMAGES / value * 1e6:.0f} a second"


def measure(table, program, floor, far, repetitions, repetitions_of_many, wanted=()):
    """Adds the rows; the bars of single images, and those of all of them.

    Of the texts that are `wanted`, if any, a figure has to contain one.
    """

    def chosen(figure):
        return not wanted or any(text.lower() in figure.lower() for text in wanted)

    bars, runs = [], {}
    for row in filter(lambda row: chosen(row.figure), ROWS):
        runs[row.figure], bar = single(table, program, floor, far, row, repetitions)
        bars.append(bar)
    for figure, commands in MEMORY.items():
        signed = [runs[row.figure] for row in ROWS if row.command in commands and row.figure in runs]
        if signed:
            peaks = [max(run.peak for run in each["program"]) for each in signed]
            least = max(run.peak for each in signed for run in each["floor"])
            note = f"worst run; by row {', '.join(megabytes(peak) for peak in peaks)}"
            table.add(figure, max(peaks), least, "12 MB", megabytes, 12e6 / 1024, note)

    bars_of_many = []
    for batch in filter(lambda batch: chosen(batch.figure), BATCHES):
        runs, note = many(
            program, floor, far, repetitions_of_many, batch.requests * IMAGES, batch.command, batch.before,
            connections=batch.connections,
        )
        took, least = walls(runs)
        limit = batch.limit(least)
        table.add(batch.figure, took, least, batch.bound, seconds, limit, note)
        bars_of_many.append(Bar(batch.figure, took / 1000, least / 1000, limit / 1000))
        used = median([run.processor for run in runs["program"]]) / IMAGES
        table.add("processor time an image of that", used, None, "–", milliseconds, None)
        peak = max(run.peak for run in runs["program"])
        table.add("memory of that", peak, None, "24 MB", megabytes, 24e6 / 1024, "worst run")

    figure = f"the signatures, KMS throttles above {THROTTLE} requests a second"
    if chosen(figure):
        limit = IMAGES / LEAST_SIGNATURES * 1e6
        runs, note = many(
            program, floor, far, repetitions_of_many, IMAGES, sign_many, throttle=THROTTLE
        )
        took, least = walls(runs)
        table.add(figure, took, least, f"{LEAST_SIGNATURES} a second", signatures, limit, note)
        bars_of_many.append(Bar(figure, took / 1000, least / 1000, limit / 1000))
    if not bars and not bars_of_many:
        raise RuntimeError(f"no figure of the waits contains {' or '.join(map(repr, wanted))}")
    return bars, bars_of_many
