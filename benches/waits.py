"""What a run costs at a distance, where it mostly waits: S3, KMS, STS and GitHub 50 ms away.

`benches/far` plays the services. Each measurement has its own, so that nothing is signed yet.
"""

import json
import os
import pathlib
import subprocess
from dataclasses import dataclass
from typing import Callable

from measuring import MANIFEST, WORK, Run, alternate, median, megabytes, milliseconds, spread

ROUND_TRIP = 50  # ms
IMAGES = 1000
CONCURRENCY = 64
THROTTLE = 300  # requests a second
LEAST_SIGNATURES = 270  # a second, under that throttle
IMAGE = "s3://bench/myapp:t0001"
KEY = ["--key", "awskms:///alias/bench"]
ROLE = ["--role-arn", "arn:aws:iam::111122223333:role/signer"]
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
CA = WORK / "ca.pem"
# What a run reads before its first handshake: the public authorities, and among them the bench's own.
SYSTEM = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
ROOTS = WORK / "roots.pem"


class Services:
    """The services, from their start to the end of the block; then `did` says what was asked of them."""

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
        """What leads the program here, and past the files and the metadata service of this machine."""
        here = {f"AWS_ENDPOINT_URL_{name.upper()}": self.url(name) for name in ("s3", "kms", "sts")}
        trust = {"SSL_CERT_FILE": str(ROOTS), "SSL_CERT_DIR": os.devnull} if self.tls else {}
        return here | trust | {
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
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x",
    }
    return ["sign", IMAGE, *KEY, *ROLE], variables


def verify_by_file(services):
    public_key = WORK / "bench.pub"
    public_key.write_text(services.ready["publicKey"])
    return ["verify", IMAGE, "--key", public_key], CREDENTIALS


def verify_by_kms(_):
    return ["verify", IMAGE, *KEY], CREDENTIALS


def sign_many(_):
    images = [f"s3://bench/myapp:t{number:04}" for number in range(1, IMAGES + 1)]
    return ["sign", *images, *KEY, "--concurrency", str(CONCURRENCY)], CREDENTIALS


@dataclass
class Row:
    """A figure. What a connection and TLS take is counted like the requests, in round trips."""

    figure: str
    command: Callable
    requests: int
    tls: bool = False

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


ROWS = [
    Row("KMS sign, plain HTTP, credentials at hand", sign, 3),
    Row("the same over TLS 1.3", sign, 3, tls=True),
    Row("over TLS, an OIDC token exchanged first", sign_with_token, 4, tls=True),
    Row("over TLS, GitHub asked for the token before", sign_on_github, 5, tls=True),
    Row("`verify` by a `.pub`, plain HTTP", verify_by_file, 1),
    Row("`verify` by the KMS key, plain HTTP", verify_by_kms, 2),
]


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
            if row.command in (verify_by_file, verify_by_kms):
                run(floor, program, services, sign)
            return run(floor, program, services, row.command)

    def least():
        with Services(far, row.tls) as services:
            return services.floor(floor, far, row.requests)

    runs = alternate(repetitions, program=measured, floor=least)
    wall = {name: [run.wall for run in list_] for name, list_ in runs.items()}
    took, bare = median(wall["program"]), median(wall["floor"])
    table.add(row.figure, took, bare, row.bound, milliseconds, row.limit, spread(wall["program"]))
    return runs, Bar(row.figure, took / 1000, bare / 1000, row.limit / 1000)


def many(program, floor, far, repetitions, requests, throttle=None):
    """All images: what the program took and what bare requests take, and a word on the processor."""
    did = []

    def measured():
        with Services(far, throttle=throttle) as services:
            done = run(floor, program, services, sign_many)
        did.append(services.did)
        return done

    def least():
        with Services(far, throttle=throttle) as services:
            return services.floor(floor, far, requests, CONCURRENCY)

    runs = alternate(repetitions, program=measured, floor=least)
    wall = {name: [run.wall for run in list_] for name, list_ in runs.items()}
    processor = median([run.processor for run in runs["program"]])
    asked = {name: did[-1][name]["requests"] for name in ("s3", "kms")}
    note = (
        f"{spread(wall['program'])}; processor {milliseconds(processor)}, of the services "
        f"{median([each['processorMs'] for each in did]):.0f} ms; the last asked S3 {asked['s3']} times "
        f"and KMS {asked['kms']} times, {did[-1]['kms']['refused']} of them refused; "
        f"memory {megabytes(max(run.peak for run in runs['program']))}"
    )
    return median(wall["program"]), median(wall["floor"]), note


def seconds(value):
    return f"{value / 1e6:.2f} s"


def signatures(value):
    return f"{IMAGES / value * 1e6:.0f} a second"


def measure(table, program, floor, far, repetitions, repetitions_of_many):
    """Adds the rows; the bars of single images, and those of all of them."""
    bars, peaks, least_peaks = [], [], []
    for row in ROWS:
        runs, bar = single(table, program, floor, far, row, repetitions)
        bars.append(bar)
        if row.command not in (verify_by_file, verify_by_kms):
            peaks.append(max(run.peak for run in runs["program"]))
            least_peaks.append(max(run.peak for run in runs["floor"]))
    note = f"worst run; by row {', '.join(megabytes(peak) for peak in peaks)}"
    table.add("memory of a KMS sign", max(peaks), max(least_peaks), "12 MB", megabytes, 12e6 / 1024, note)

    figure = f"{IMAGES:,} images, one KMS key, `--concurrency {CONCURRENCY}`"
    limit = 1.3 * IMAGES * 3 * ROUND_TRIP / CONCURRENCY * 1000
    took, least, note = many(program, floor, far, repetitions_of_many, 3 * IMAGES)
    bound = f"1.3 × {IMAGES:,} × 3 × {ROUND_TRIP} ms ÷ {CONCURRENCY}"
    table.add(figure, took, least, bound, seconds, limit, note)
    bars_of_many = [Bar(figure, took / 1000, least / 1000, limit / 1000)]

    figure = f"the same, KMS throttles above {THROTTLE} requests a second"
    limit = IMAGES / LEAST_SIGNATURES * 1e6
    took, least, note = many(program, floor, far, repetitions_of_many, IMAGES, THROTTLE)
    table.add(figure, took, least, f"{LEAST_SIGNATURES} a second", signatures, limit, note)
    bars_of_many.append(Bar(figure, took / 1000, least / 1000, limit / 1000))
    return bars, bars_of_many
