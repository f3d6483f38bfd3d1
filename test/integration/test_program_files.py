"""Programs that are damaged, mixed or edited: refused by name, or their results are
the same bits."""

import hashlib
import json
import os
import random
import shutil
import subprocess

import numpy as np
import pytest

from support import BIN, CRASHES, ROOT, compile_model, run

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
READ = ["manifest.json", "program.so", "initial.bin"]
NOT_READ = ["program.mlir", "step.cpp"]


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Programs with weights in initial.bin, of two recipes and two batches."""
    folder = tmp_path_factory.mktemp("programs")
    sizes = "--layers 1 --d-model 16 --heads 2 --vocab 32 --seq 8 --weights".split()
    run("fp8c", "model", "gpt2", *sizes, "-o", folder / "model.onnx")
    for name, recipe, batch in ("f32", "f32", 2), ("bf16", "bf16", 2), ("batch", "f32", 4):
        compile_model(folder / "model.onnx", folder / f"{name}.fp8x", "--recipe", recipe, "--batch", batch)
    return folder


@pytest.fixture
def program(programs, tmp_path):
    return shutil.copytree(programs / "f32.fp8x", tmp_path / "copy.fp8x")


def use(program, *options, status=None):
    """All variables as they start, after an update without gradients: exit status,
    what was said, and a hash of the results or None."""
    results = program.parent / "results.safetensors"
    results.unlink(missing_ok=True)
    done = subprocess.run(
        [BIN / "fp8c-run", "call", program, "update", "--outputs", results, *options],
        env={**os.environ, **ONE_THREAD}, capture_output=True, text=True, errors="replace", timeout=60,
    )  # fmt: skip
    assert done.returncode in ((0, 1) if status is None else (status,)), done.stderr
    assert not any(word in done.stderr for word in CRASHES), done.stderr
    if done.returncode:
        assert "fp8c-run: error: " in done.stderr
        assert not results.exists()
    return done.returncode, done.stderr, hashlib.sha256(results.read_bytes()).hexdigest() if results.exists() else None


def change(program, edit):
    """Edits the manifest as an editor would."""
    path = program / "manifest.json"
    manifest = json.loads(path.read_text())
    edit(manifest)
    path.write_text(json.dumps(manifest, indent=1) + "\n")


def as_older(manifest):
    """What compilers wrote that did not know checksums."""
    del manifest["files"], manifest["checksum"]


# ------------------------------------------------------------------------------
# Damage
# ------------------------------------------------------------------------------


def test_files_are_listed(program):
    files = json.loads((program / "manifest.json").read_text())["files"]
    assert files.keys() == {*READ, *NOT_READ} - {"manifest.json"}
    assert all(entry["bytes"] == (program / name).stat().st_size for name, entry in files.items())
    assert use(program, status=0)[1] == ""


def flip(path, choose):
    data = bytearray(path.read_bytes())
    data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
    path.write_bytes(data)


@pytest.mark.parametrize("name", READ)
def test_flipped_bits(programs, program, name):
    """Every one of them is noticed, and the file named."""
    choose = random.Random(name)
    for _ in range(40):
        flip(program / name, choose)
        status, said, _ = use(program)
        assert status == 1 and name in said and "hint: " in said, said
        shutil.copy(programs / "f32.fp8x" / name, program / name)
    assert use(program)[0] == 0


def test_files_that_are_not_read(program):
    """With any bits, or without these files, the results are the same."""
    results = use(program, status=0)
    choose = random.Random(1)
    for name in NOT_READ * 10:
        flip(program / name, choose)
    assert use(program) == results
    for name in NOT_READ:
        (program / name).unlink()
    assert use(program) == results


@pytest.mark.parametrize("name", READ)
def test_files_cut_off_or_longer(program, name):
    data = (program / name).read_bytes()
    for damaged in b"", data[:1], data[: len(data) // 2], data[:-1], data + b"\0", data + b" " * 5000:
        (program / name).write_bytes(damaged)
        status, said, _ = use(program)
        assert status == 1 and name in said, said


def is_pipe(path):
    os.mkfifo(path)


@pytest.mark.parametrize(
    "make",
    [is_pipe, os.mkdir, lambda path: os.symlink("/dev/zero", path), lambda path: os.symlink("nothing", path), lambda path: None],
    ids=["pipe", "folder", "device", "link to nothing", "missing"],
)
@pytest.mark.parametrize("options", [[], ["--unchecked"]], ids=["checked", "unchecked"])
@pytest.mark.parametrize("name", READ)
def test_what_is_no_regular_file(program, name, make, options):
    (program / name).unlink()
    make(program / name)
    status, said, _ = use(program, *options)
    assert status == 1 and name in said, said


def test_all_commands_check(programs, program, tmp_path):
    np.asarray(np.arange(1000) % 32, "<u2").tofile(tmp_path / "tokens.bin")
    flip(program / "manifest.json", random.Random(3))
    data = ["--data", tmp_path / "tokens.bin"]
    for command in (
        ["train", program, *data, "--steps", 1, "--out", tmp_path / "run"],
        ["eval", program, *data],
        ["sample", program, "--tokenizer", "bytes"],
        ["profile", program, *data, "-o", tmp_path / "stats.json"],
        ["info", program],
    ):
        assert "manifest.json" in run("fp8c-run", *command, status=1)
    assert {path.name for path in tmp_path.iterdir()} == {"copy.fp8x", "tokens.bin"}


# ------------------------------------------------------------------------------
# Programs of two compilations, and rebuilt ones
# ------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["bf16", "batch"])
def test_code_of_another_program(programs, program, other):
    """Refused by its checksum, and by what it says of itself."""
    shutil.copy(programs / f"{other}.fp8x/program.so", program)
    status, said, _ = use(program)
    assert status == 1 and "program.so" in said and "damaged" in said and "--unchecked" in said
    status, said, _ = use(program, "--unchecked")
    assert status == 1 and "program.so" in said and "is of another manifest" in said, said
    change(program, as_older)
    status, said, _ = use(program)
    assert status == 1 and "is of another manifest" in said


def test_weights_of_another_program(programs, program):
    data = bytearray((program / "initial.bin").read_bytes())
    data.reverse()
    (program / "initial.bin").write_bytes(data)
    assert "initial.bin" in use(program, status=1)[1]
    assert use(program, "--unchecked", status=0)[2] is not None


def test_a_rebuilt_program(programs, program):
    """Somebody edits the source and compiles it again."""
    before = use(program, status=0)
    with open(program / "step.cpp", "a") as source:
        source.write('extern "C" int mine() { return 1; }\n')
    flags = ["-std=c++20", "-O0", "-march=native", "-fopenmp", "-ffp-contract=off", "-shared", "-fPIC", f"-I{ROOT / 'runtime'}"]
    subprocess.run(["c++", *flags, program / "step.cpp", "-o", program / "program.so", "-lopenblas"], check=True)
    status, said, _ = use(program)
    assert status == 1 and "program.so" in said and "--unchecked" in said
    assert use(program, "--unchecked") == before


# ------------------------------------------------------------------------------
# Manifests that do not fit
# ------------------------------------------------------------------------------


def swap_hyper(manifest):
    manifest["hyper"][0], manifest["hyper"][1] = manifest["hyper"][1], manifest["hyper"][0]


def swap_roles(manifest):
    for variable in manifest["variables"]:
        if variable["role"] == "parameter":
            variable["role"] = "gradient"


def of(kind, key, value):
    """Sets a key of the first function's input or output, or of a variable."""

    def edit(manifest):
        entries = manifest["variables"] if kind == "variables" else manifest["functions"]["micro"][kind]
        entries[0][key] = value

    return edit


# What is said where checksums are not compared; None: only the fingerprint tells.
MISFITS = {
    "a small arena": (lambda m: m.update(arena_bytes=64), "arena_bytes"),
    "a smaller arena": (lambda m: m.update(arena_bytes=m["arena_bytes"] - 64, arena_lower_bound=0), "arena_bytes"),
    "a huge arena": (lambda m: m.update(arena_bytes=1 << 60), "arena_bytes"),
    "an arena of too many digits": (lambda m: m.update(arena_bytes=10**30), "arena_bytes"),
    "few variables_bytes": (lambda m: m.update(variables_bytes=64), "variables"),
    "no variables_bytes": (lambda m: m.update(variables_bytes=0), "variables"),
    "many variables_bytes": (lambda m: m.update(variables_bytes=m["variables_bytes"] + 64), "variables_bytes"),
    "huge variables_bytes": (lambda m: m.update(variables_bytes=1 << 62), "variables_bytes"),
    "hyper swapped": (swap_hyper, "hyper"),
    "hyper empty": (lambda m: m.update(hyper=[]), "hyper"),
    "hyper cut": (lambda m: m["hyper"].pop(), "hyper"),
    "hyper longer": (lambda m: m["hyper"].append("momentum"), "hyper"),
    "a huge vocabulary": (lambda m: m["model"].update(vocab=10**9), "vocab"),
    "a larger vocabulary": (lambda m: m["model"].update(vocab=33), "vocab"),
    "a negative vocabulary": (lambda m: m["model"].update(vocab=-1), "vocab"),
    "target": (lambda m: m.update(target="../../evil"), "target"),
    "roles": (swap_roles, None),
    "a variable's place": (of("variables", "offset", 1 << 62), "variables[0]"),
    "a variable's shape": (of("variables", "shape", [1 << 40, 1 << 40]), "variables[0].shape"),
    "a variable's type": (of("variables", "dtype", "f8E4M3FN"), "variables[0]"),
    "an input's shape": (of("inputs", "shape", [1]), None),
    "an output's shape": (of("outputs", "shape", [1 << 10]), None),
    "the recipe": (lambda m: m.update(recipe="fp8-lm"), None),
    "no functions": (lambda m: m.update(functions={}), None),
    "initial data beyond its file": (
        lambda m: [v["init"].update(offset=1 << 40) for v in m["variables"] if v["init"]["kind"] == "file"],
        "initial.bin",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_manifests_that_do_not_fit(program, name):
    edit, says = MISFITS[name]
    change(program, edit)
    status, said, _ = use(program)
    assert status == 1 and "manifest.json" in said, said
    if says:
        status, said, _ = use(program, "--unchecked")
        assert status == 1 and says in said and "manifest.json" in said, said
    # Programs of older compilers have the fingerprint alone.
    change(program, as_older)
    status, said, _ = use(program)
    assert status == 1 and "manifest.json" in said, said


def test_programs_of_older_compilers(program):
    """They load, and it is said once that nothing would notice damage."""
    results = use(program)[2]
    change(program, as_older)
    status, said, same = use(program)
    assert (status, same) == (0, results)
    assert said.count("note: ") == 1 and "no checksums" in said and str(program) in said


def test_a_checksum_cannot_be_lost_by_accident(program):
    """A manifest that was printed anew, or lacks one of its two marks."""
    text = (program / "manifest.json").read_text()
    for edit in (
        lambda m: None,
        lambda m: m.pop("checksum"),
        lambda m: m.pop("files"),
        lambda m: m["files"].clear(),
    ):
        (program / "manifest.json").write_text(text)
        manifest = json.loads(text)
        edit(manifest)
        (program / "manifest.json").write_text(json.dumps(manifest))
        assert "manifest.json" in use(program, status=1)[1]
