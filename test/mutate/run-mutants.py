#!/usr/bin/env python3
"""Builds and runs mutants of IR: scripts/mutate-ir --run.

usage: run-mutants.py COUNT SEED STAGE...        (the tools: $FP8C_BIN or build/release/bin)

Of the mutants that the passes accept, and that become another program, COUNT are drawn by
seed, at the stages of four programs. They are built for the CPU and trained for three steps,
and what comes out is held against what the program gives as it is, bit by bit.

A mutant that says another computation may give other numbers. One that says of the same
computation something else (what belongs to what, where it lies, what it is for, in which
order values are computed) has to give the same ones: it should have been refused. Such a
mutant is a finding, and so is one that crashes, hangs, touches memory behind its own, or
becomes source that no compiler takes. Findings are printed and kept in $FP8C_MUTANTS or
build/mutants.
"""

import collections
import concurrent.futures
import difflib
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("FP8C_BIN", ROOT / "build/release/bin")).resolve()
FINDINGS = Path(os.environ.get("FP8C_MUTANTS", ROOT / "build/mutants")).resolve()

SIZES = "--layers 1 --d-model 128 --heads 2 --vocab 128 --seq 16".split()
PROGRAMS = {
    "gpt2-f32": ("gpt2", [], "f32"),
    "llama-fp8-delayed": ("llama", ["--kv-heads", "1"], "fp8-delayed"),
    "gpt2-fp8-lm": ("gpt2", [], "fp8-lm"),
    "llama-fp8-block": ("llama", ["--kv-heads", "1"], "fp8-block"),
}
TRAIN = "--steps 3 --lr 1e-2 --warmup 1 --seed 3 --eval-batches 1".split()

# One thread, and products whose sums do not depend on how operands lie: bits are compared.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell"}

# Of processor time: the machine may be busy.
SECONDS = 60


def limit():
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))


def run(command, folder):
    """Exit status, negative for a signal, and what was printed, both streams in one."""
    done = subprocess.run(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=ENVIRONMENT, cwd=folder, preexec_fn=limit
    )
    return done.returncode, done.stdout


def require(command, folder=None, statuses=(0,)):
    """What a command prints that ends with one of these."""
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, cwd=folder)
    if done.returncode not in statuses:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


# ------------------------------------------------------------------------------
# What a mutant says
# ------------------------------------------------------------------------------

# Notes on an op, which say nothing of what it computes.
NOTES = re.compile(r'train\.(?:name|phase|why|result_names|saved_bytes) = (?:#train\.phase<\w+>|"[^"]*"|\[[^\]]*\]|\d+ : i64)(?:, )?')
NAME = "train.name = "
WORD = re.compile(r'[%@]"[^"]*"|[%@]?[\w.$#]+')

# Ops whose symbols and values say what belongs together. Others only say what is computed:
# to read another weight, or to add something else, is another program and as good as this one.
RELATING = re.compile(r"(?:train\.(?:adamw|assign|update_scales|stored_scale|variable)|fp8\.(?:record|advance|current_scale)|exec\.variable) ")
# Of these the second operand: by which scale, to which variable's sum.
SCALE = re.compile(r"(fp8\.quantize %[\w#]+, )%[\w#]+")
# Where something lies.
PLACE = re.compile(r"(exec\.alloc|exec\.variable .*) at \d+")


def relates(before, after, stage):
    """Does a changed line say another relation, but no other computation?"""
    if NOTES.sub("", before) == NOTES.sub("", after):
        # Recipes match names, and scales live under them: an op without one is told of in a
        # remark and scaled by what it is at the time.
        return NAME in after or stage not in ("train", "grad")
    if SCALE.sub(r"\1", before) == SCALE.sub(r"\1", after) or PLACE.sub(r"\1", before) == PLACE.sub(r"\1", after):
        return True
    words, others = WORD.findall(before), WORD.findall(after)
    return (
        bool(RELATING.search(before))
        and len(words) == len(others)
        and all(a == b or (a[0] in "%@" and b[0] in "%@") or a in ROLES for a, b in zip(words, others))
    )


ROLES = ("parameter", "gradient", "moment1", "moment2", "scale", "compute_weight", "buffer", "frozen")


def is_relation(changes, stage):
    """Of a mutant's changes, pairs of lists of lines: are all of them relations?"""
    before = [line for lines, _ in changes for line in lines]
    after = [line for _, lines in changes for line in lines]
    if sorted(before) == sorted(after):
        # Up to kernels and buffers, values do not depend on the order of ops. There it says
        # who writes before whom.
        return stage != "exec"
    return len(before) == len(after) and all(relates(a, b, stage) for a, b in zip(before, after))


# ------------------------------------------------------------------------------
# What becomes of it
# ------------------------------------------------------------------------------


def read_tensors(path):
    """What a checkpoint holds, but for names and their order, which are the IR's to choose."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    places = [(entry["dtype"], entry["shape"], [start + at for at in entry["data_offsets"]]) for entry in header.values()]
    return sorted((dtype, shape, data[first:last]) for dtype, shape, (first, last) in places)


class Workshop:
    """The programs' IR, and the numbers that they give as they are."""

    def __init__(self, folder, seed, each):
        self.folder, self.seed, self.each, self.expected = folder, seed, each, {}
        self.tokens = folder / "tokens.bin"
        ids = random.Random(0)
        self.tokens.write_bytes(b"".join(ids.randrange(128).to_bytes(2, "little") for _ in range(1024)))
        self.guard = folder / "guard.so"
        require(["cc", "-shared", "-fPIC", "-O1", ROOT / "test/mutate/guard.c", "-o", self.guard])

    def prepare(self, program, stages):
        """A program's IR at each stage, and what it gives."""
        family, options, recipe = PROGRAMS[program]
        # By its name alone: a mutant is chosen by the text that it is made of.
        model = f"{program}.onnx"
        require([BIN / "fp8c", "model", family, *SIZES, *options, "-o", model], self.folder)
        for stage in stages:
            text = require([BIN / "fp8c", "compile", model, "--batch", 2, "--recipe", recipe, "--emit", stage], self.folder)
            self.original(program, stage).write_text(text)
        outcome, numbers = self.compute(self.original(program, stages[-1]), program, stages[-1])
        if outcome != "ran":
            raise RuntimeError(f"{program} as it is: {outcome}\n{numbers}")
        self.expected[program] = numbers

    def original(self, program, stage):
        return self.folder / f"{program}.{stage}.mlir"

    def list_accepted(self, place):
        """The mutants of a place that are accepted and become another program, how many
        become the same one, and what is wrong with the passes."""
        program, stage = place
        options = [f"--stage={stage}", f"--recipe={PROGRAMS[program][2]}", f"--seed={self.seed}", f"--count={self.each}"]
        lines = require([BIN / "fp8c-mutate-ir", self.original(*place), *options, f"--findings={FINDINGS}", "--list"], self.folder, (0, 1)).splitlines()
        own = next(line.split()[1] for line in lines if line.startswith("original "))
        accepted = [line.split(" ", 2) for line in lines if re.match(r"\d+ [0-9A-F]+ ", line)]
        others = [(program, stage, int(number), kind) for number, source, kind in accepted if source != own]
        wrong = [line for line in lines[:-1] if not re.match(r"(\d+|original) [0-9A-F]+", line)]
        return others, len(accepted) - len(others), wrong

    def compute(self, ir, program, stage):
        """What became of IR, and its numbers or a message."""
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            built, out = Path(scratch) / "p.fp8x", Path(scratch) / "run"
            passes = f"--test-compile=output={built} recipe={PROGRAMS[program][2]} from={stage}"
            status, output = run([BIN / "fp8c-test-opt", ir, passes, "-o", "/dev/null"], self.folder)
            if "failed on the emitted source" in output:
                return "broken", output
            if status == 1 and "error: " in output:
                return "refused", output
            if status:
                return "crashed", f"the compiler ends with {status}\n{output}"
            options = ["--data", self.tokens, "--val", self.tokens, "--out", out, *TRAIN]
            status, output = run(["env", f"LD_PRELOAD={self.guard}", BIN / "fp8c-run", "train", built, *options], self.folder)
            if status == 1 and "error: " in output:
                return "refused", output
            if status:
                return "crashed", f"the program ends with {status}\n{output}"
            lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
            losses = [(line["loss"], line["grad_norm"], line["val_loss"]) for line in lines]
            return "ran", (losses, read_tensors(next(out.glob("checkpoints/*/model.safetensors"))))

    def try_mutant(self, mutant):
        """The mutant's file, its changes, what became of it, and a message."""
        program, stage, number, _ = mutant
        original = self.original(program, stage)
        path = self.folder / f"{program}.{stage}.{self.seed}.{number}.mlir"
        path.write_text(require([BIN / "fp8c-mutate-ir", original, "--print", f"--seed={self.seed}", f"--first={number}"]))
        before, after = (file.read_text().splitlines() for file in (original, path))
        matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
        changes = [(before[a:b], after[c:d]) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal"]
        outcome, message = self.compute(path, program, stage)
        if outcome == "ran":
            outcome, message = ("same", "") if message == self.expected[program] else ("changed", f"losses {[loss for loss, *_ in message[0]]}")
        return path, changes, outcome, message


def main(count, seed, *stages):
    count, seed = int(count), int(seed)
    FINDINGS.mkdir(parents=True, exist_ok=True)
    tally, findings = collections.Counter(), 0
    with tempfile.TemporaryDirectory(prefix="fp8c-mutants-") as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        places = [(program, stage) for program in PROGRAMS for stage in stages]
        # One in twelve is accepted and another program.
        shop = Workshop(Path(folder), seed, each=max(16, 30 * count // len(places)))
        list(pool.map(lambda program: shop.prepare(program, stages), PROGRAMS))
        listed = list(pool.map(shop.list_accepted, places))
        same = sum(number for _, number, _ in listed)
        drawn = [mutant for mutants, *_ in listed for mutant in mutants]
        for *_, wrong in listed:
            findings += len([line for line in wrong if line.startswith("mutant ")])
            print("".join(line + "\n" for line in wrong), end="")
        print(f"{shop.each * len(places)} mutants: {same + len(drawn)} accepted, {same} of them as the same program", flush=True)
        random.Random(seed).shuffle(drawn)
        drawn = drawn[:count]
        for (program, stage, number, kind), (path, changes, outcome, message) in zip(drawn, pool.map(shop.try_mutant, drawn)):
            says = "relation" if is_relation(changes, stage) else "computation"
            tally[says, outcome] += 1
            if os.environ.get("FP8C_VERBOSE"):
                print(f"{says} {outcome}: {program} at {stage}, mutant {number} ({kind})")
                print("".join(f"    {sign} {line.strip()[:300]}\n" for lines in changes for sign, side in zip("-+", lines) for line in side), flush=True)
            if outcome in ("same", "refused") or (outcome, says) == ("changed", "computation"):
                continue
            findings += 1
            kept = shutil.copy(path, FINDINGS)
            print(f"mutant {number} of seed {seed} ({kind}), {program} at {stage}, says another {says}: {outcome}")
            for before, after in changes:
                print("".join(f"  - {line.strip()}\n" for line in before) + "".join(f"  + {line.strip()}\n" for line in after), end="")
            print(f"  {message[-600:].strip()}")
            print(f"  to repeat: fp8c-test-opt {kept} '--test-compile=output=p.fp8x recipe={PROGRAMS[program][2]} from={stage}' -o /dev/null", flush=True)
    for says in ("relation", "computation"):
        outcomes = ", ".join(f"{number} {outcome}" for (what, outcome), number in sorted(tally.items()) if what == says)
        print(f"another {says}: {outcomes or 'none'}")
    print(f"{sum(tally.values())} mutants built and run, {findings} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
