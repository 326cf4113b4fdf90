"""The measuring code of all figures: a run beside its floor, and the table."""

import os
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
# On the disk of the build, not in a file system in memory, where an fsync costs nothing.
WORK = ROOT / "target" / "bench"
VECTORS = ROOT / "tests" / "vectors"
MANIFEST = VECTORS / "store-v1/manifests/myapp/v1.0/manifest.json"


def environment():
    """That of the caller, without what would lead the program to other services."""
    led = ("AWS_", "VAULT_", "BAO_", "TRANSIT_", "ACTIONS_", "GITHUB_", "GITLAB_", "BUILDKITE", "CIRCLE", "BITBUCKET_")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(led) and not name.lower().endswith("_proxy")
    }


class Run:
    """One process: its wall and processor time (µs), its peak memory (KiB), and what it printed."""

    def __init__(self, floor, program, *arguments, expected=0, variables=None):
        out = WORK / "stdout"
        command = [floor, "measure", out, program, *arguments]
        done = subprocess.run(
            command,
            cwd=WORK,
            env=environment() | {"COSIGN_PASSWORD": "secret"} | (variables or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} did not run: {done.stderr.strip()}")
        self.wall, self.processor, self.peak, code = map(int, done.stdout.split())
        self.stdout = out.read_text()
        if code != expected:
            raise RuntimeError(f"{program} {arguments[0]} ended with {code}: {done.stderr.strip()}")

    @property
    def inside(self):
        """The time that a floor reports, without the start of its process."""
        return int(self.stdout)


def alternate(repetitions, **measurements):
    """Each in turn, and every other round backwards, so that drift meets all of them alike."""
    results = {name: [] for name in measurements}
    for repetition in range(repetitions):
        turn = list(measurements)
        for name in turn if repetition % 2 else reversed(turn):
            results[name].append(measurements[name]())
    return results


def median(values):
    return statistics.median(values)


def spread(values):
    """The middle half, in ms."""
    low, _, high = statistics.quantiles(values, n=4)
    return f"{low / 1000:.1f}–{high / 1000:.1f} ms"


def milliseconds(value):
    return f"{value / 1000:.2f} ms"


def megabytes(kib):
    return f"{kib * 1024 / 1e6:.2f} MB"


class Table:
    def __init__(self):
        self.rows = []

    def add(self, figure, measured, floor, bound, show, limit, note=""):
        """`limit` is the bound in the unit of `measured`, or None without one; `show` prints that unit."""
        self.rows.append(
            (
                figure,
                show(measured),
                show(floor) if floor else "–",
                f"{measured / floor:.2f}" if floor else "–",
                bound,
                "" if limit is None else "ok" if measured <= limit else "over",
            )
        )
        print(f"  {figure}: {show(measured)}{' (' + note + ')' if note else ''}", flush=True)

    def __str__(self):
        head = ("figure", "measured", "floor", "ratio", "bound", "")
        lines = [head, ("---",) * len(head), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
