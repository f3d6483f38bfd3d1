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
build/mutants; with $FP8C_VERBOSE every mutant is printed.
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
NOTES = re.compile(r'train\.(?:name|phase|why|result_names|saved_bytes) = (?:#fp8\.phase<\w+>|"[^"]*"|\[[^\]]*\]|\d+ : i64)(?:, )?')
NAME = "fp8.name = "
WORD = re.compile(r'[%@]"[^"]*"|[%@]?[\w.$#]+')

# Ops whose symbols and values say what belongs together. Others only say what is computed:
# to read another weight, or to add something else, is another program and as good as this one.
RELATING = re.compile(r"(?:train\.(?:adamw|assign|update_scales|stored_scale|variable)|fp8\.(?:record|advance|current_scale)|exec\.variable) ")
# What a variable is for.
ROLES = ("parameter", "gradient", "moment1", "moment2", "scale", "compute_weight", "buffer", "frozen",
         "gradient_parts", "mu")
# Of this the second operand: by which scale.
SCALE = re.compile(r"(fp8\.quantize %[\w#]+, )%[\w#]+")
# Once a tensor is two buffers.
SCALES = re.compile(r"(exec\.gemm .* scales )%[\w#]+, %[\w#]+(?= )")
# Where something lies.
PLACE = re.compile(r"(exec\.alloc|exec\.variable .*) at \d+")


def relates(before, after, stage, given):
    """Does a changed line say another relation, but no other computation? `given` are the
    values that are read, from variables or of the run, and not computed."""
    if NOTES.sub("", before) == NOTES.sub("", after):
        # Recipes match names, and scales live under them: an op without one is told of in a
        # remark and scaled by what it is at the time.
        return NAME in after or stage not in ("train", "grad")
    if any(part.sub(r"\1", before) == part.sub(r"\1", after) for part in (SCALE, SCALES, PLACE)):
        return True
    words, others = WORD.findall(before), WORD.findall(after)
    return (
        bool(RELATING.search(before))
        and len(words) == len(others)
        and all(a == b or a in ROLES or b[0] == "@" or b in given for a, b in zip(words, others))
    )


# To update with a value that was computed is another computation.
GIVEN = re.compile(r"(%[\w#]+) = (?:train\.(?:read|hyper|stored_scale)|fp8\.(?:dequantize|current_scale|advance|record)) ")


def get_given(lines, end):
    """The values before a line, in its function, that are read and not computed."""
    begin = max((i for i in range(end) if "func.func @" in lines[i]), default=0)
    given = set()
    for line in lines[begin:end]:
        given.update(match[1] for match in GIVEN.finditer(line))
        if "train.fusion " in line:
            # Arguments of one fusion are called like those of the next one.
            arguments = re.findall(r"(%arg\d+) = (%[\w#]+)", line)
            given = {name for name in given if not name.startswith("%arg")}
            given |= {argument for argument, value in arguments if value in given}
    return given


def is_relation(before, after, stage):
    """Of two texts, as lists of lines: are all changes of relations?"""
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    opcodes = [opcode[1:] for opcode in matcher.get_opcodes() if opcode[0] != "equal"]
    if sorted(before) == sorted(after):
        # Up to kernels and buffers, values do not depend on the order of ops. There it says
        # who writes before whom.
        return stage != "exec"
    return all(
        b - a == d - c and all(relates(*lines, stage, get_given(after, c)) for lines in zip(before[a:b], after[c:d]))
        for a, b, c, d in opcodes
    )


def get_changes(before, after):
    """The lines that differ, as a patch has them."""
    return [line for line in difflib.unified_diff(before, after, lineterm="", n=0) if line[:2] not in ("--", "++", "@@")]


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
        """Writes a program's IR at each stage."""
        family, options, recipe = PROGRAMS[program]
        # By its name alone: a mutant is chosen by the text that it is made of.
        model = f"{program}.onnx"
        require([BIN / "fp8c", "model", family, *SIZES, *options, "-o", model], self.folder)
        for stage in stages:
            text = require([BIN / "fp8c", "compile", model, "--batch", 2, "--recipe", recipe, "--emit", stage], self.folder)
            self.original(program, stage).write_text(text)

    def measure(self, place):
        """Finds out what a program gives as it is."""
        outcome, numbers = self.compute(self.original(*place), *place)
        if outcome != "ran":
            raise RuntimeError(f"{place} as it is: {outcome}\n{numbers}")
        self.expected[place[0]] = numbers

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
        """The mutant's file, what became of it, and a message."""
        program, stage, number, _ = mutant
        original = self.original(program, stage)
        path = self.folder / f"{program}.{stage}.{self.seed}.{number}.mlir"
        path.write_text(require([BIN / "fp8c-mutate-ir", original, "--print", f"--seed={self.seed}", f"--first={number}"]))
        outcome, message = self.compute(path, program, stage)
        if outcome == "ran":
            outcome, message = ("same", "") if message == self.expected[program] else ("changed", f"losses {[loss for loss, *_ in message[0]]}")
        return path, outcome, message


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
        list(pool.map(shop.measure, {program: (program, stage) for program, stage, *_ in drawn}.values()))
        for (program, stage, number, kind), (path, outcome, message) in zip(drawn, pool.map(shop.try_mutant, drawn)):
            texts = [file.read_text().splitlines() for file in (shop.original(program, stage), path)]
            says = "relation" if is_relation(*texts, stage) else "computation"
            tally[says, outcome] += 1
            is_finding = outcome not in ("same", "refused") and (outcome, says) != ("changed", "computation")
            findings += is_finding
            if not is_finding and not os.environ.get("FP8C_VERBOSE"):
                continue
            print(f"mutant {number} of seed {seed} ({kind}), {program} at {stage}, says another {says}: {outcome}")
            print("".join(f"  {line}\n" for line in get_changes(*texts)), end="")
            if is_finding:
                kept = shutil.copy(path, FINDINGS)
                print(f"  {message[-600:].strip()}")
                print(f"  to repeat: fp8c-test-opt {kept} '--test-compile=output=p.fp8x recipe={PROGRAMS[program][2]} from={stage}' -o /dev/null", flush=True)
    for says in ("relation", "computation"):
        outcomes = ", ".join(f"{number} {outcome}" for (what, outcome), number in sorted(tally.items()) if what == says)
        print(f"another {says}: {outcomes or 'none'}")
    print(f"{sum(tally.values())} mutants built and run, {findings} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
