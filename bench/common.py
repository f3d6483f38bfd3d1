"""What the benchmarks share: the tools, timed runs, run folders."""

import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import time
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).parents[1]
BIN = pathlib.Path(os.environ.get("FP8C_BIN", ROOT / "build/release/bin"))


def tool(name, *arguments, **options):
    """Runs a tool and returns what it printed; ends the benchmark if it fails."""
    done = subprocess.run([BIN / name, *map(str, arguments)], stdout=subprocess.PIPE, text=True, **options)
    if done.returncode:
        sys.exit(f"{name} {' '.join(map(str, arguments))}: exit status {done.returncode}")
    return done.stdout


@dataclass
class Timed:
    seconds: float
    cpu_seconds: float
    peak_bytes: int


def timed(name, *arguments, stdout):
    """Runs a tool with its output in a file; tells its time and peak memory."""
    start = time.perf_counter()
    child = subprocess.Popen([BIN / name, *map(str, arguments)], stdout=stdout)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{name} {' '.join(map(str, arguments))}: exit status {child.returncode}")
    return Timed(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def metrics(run):
    """The records of a run, one per step."""
    return [json.loads(line) for line in (pathlib.Path(run) / "metrics.jsonl").read_text().splitlines()]


def save(path, results):
    """Writes results as JSON, numbers with six digits, with what they were measured by and on."""
    if not path:
        return
    arguments = sys.argv[1:]
    if "--save" in arguments:  # where it is kept does not matter
        at = arguments.index("--save")
        del arguments[at : at + 2]
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    record = {
        "command": " ".join(["bench/" + pathlib.Path(sys.argv[0]).name, *arguments]),
        "date": datetime.date.today().isoformat(),
        "cpu": cpu[1] if cpu else "unknown",
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[1],
        **results,
    }
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    rounded = json.loads(json.dumps(record), parse_float=lambda digits: float(f"{float(digits):.6g}"))
    pathlib.Path(path).write_text(json.dumps(rounded, indent=2) + "\n")
