"""Runs each of our passes alone on a module.

usage: every-pass.py MODULE [TEXT]

No pass may crash or hang. With TEXT each must refuse the module with an error
that has it, but for those that look at one op at a time.
"""
import re
import subprocess
import sys

PASS = re.compile(r"^\s+--((?:train|fp8|exec)-[a-z-]+|convert-to-exec)\b", re.M)
OF_ONE_OP = ("fp8-assign-precision", "fp8-check-precision", "fp8-pad-products", "fp8-insert-scaling", "fp8-choose-layouts",
             "fp8-lower-to-upstream")

module, *expected = sys.argv[1:]
passes = PASS.findall(subprocess.run(["fp8c-opt", "--help"], check=True, capture_output=True, text=True).stdout)
assert len(passes) >= 24, passes
for name in passes:
    command = ["fp8c-opt", "--allow-unregistered-dialect", module, f"--{name}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    mayPass = not expected or name in OF_ONE_OP
    refused = done.returncode == 1 and ("error:" if mayPass else expected[0]) in done.stderr
    if not refused and not (mayPass and done.returncode == 0):
        sys.exit(f"{name}: exit status {done.returncode}\n{done.stderr}")
