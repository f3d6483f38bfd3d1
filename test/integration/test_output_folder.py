"""Where programs may go: -o deletes only what fp8c wrote, and a compilation that is
ended leaves nothing behind."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

from support import BIN, listing, refuses, run

# A compiler that writes what it is asked for and takes no time over it.
QUICK = """#!/bin/sh
while [ "$1" != -o ]; do shift; done
echo library > "$2"
"""

# One that never ends, with a child that does not either, as real ones have. It leaves
# temporary files where it is told to, and its processes' numbers in $PIDS.
ENDLESS = """#!/bin/sh
sleep 1000 &
echo half > "$TMPDIR/half.s"
echo $$ $! > "$PIDS.new" && mv "$PIDS.new" "$PIDS"
wait
"""


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def folder(tmp_path, tiny_program):
    """With a program called old.fp8x."""
    shutil.copytree(tiny_program, tmp_path / "old.fp8x")
    return tmp_path


@pytest.fixture
def compilers(tmp_path_factory):
    place = tmp_path_factory.mktemp("compilers")
    return {"quick": script(place / "quick", QUICK), "endless": script(place / "endless", ENDLESS)}


@pytest.fixture
def arguments(tiny, compilers):
    def make(output, compiler="quick", recipe="bf16"):
        return ["compile", tiny, "--recipe", recipe, "--batch", 2, "--host-compiler", compilers[compiler], "-o", output]

    return make


# ------------------------------------------------------------------------------
# What is in the way
# ------------------------------------------------------------------------------


def foreign_manifest(folder):
    (folder / "site").mkdir()
    (folder / "site/manifest.json").write_text('{"name": "app", "icons": []}')
    (folder / "site/index.html").write_text("<html>")
    return "site"


def deep_manifest(folder):
    """As ours at first sight; copying what it holds would overflow the stack."""
    path = folder / "old.fp8x/manifest.json"
    manifest = json.loads(path.read_text()) | {"variables": ["@"]}
    path.write_text(json.dumps(manifest).replace('"@"', "[" * 1000000 + "]" * 1000000))
    return "old.fp8x"


def edited_manifest(change):
    """A program whose manifest has become somebody else's."""

    def make(folder):
        path = folder / "old.fp8x/manifest.json"
        path.write_text(change(path.read_text()))
        return "old.fp8x"

    return make


def beside(name, make=lambda path: path.write_text("mine")):
    """A program with something else in its folder."""

    def put(folder):
        make(folder / "old.fp8x" / name)
        return "old.fp8x"

    return put


def a_run(path):
    (path / "checkpoints/step-000002").mkdir(parents=True)
    (path / "config.json").write_text("{}")


def link(target, name="link.fp8x", output="link.fp8x"):
    def make(folder):
        (folder / name).symlink_to(target)
        return output

    return make


def edited_source(folder):
    with open(folder / "old.fp8x/step.cpp", "a") as source:
        source.write("// an idea\n")
    return "old.fp8x"


def linked_source(folder):
    source = folder / "old.fp8x/step.cpp"
    source.rename(folder / "mine.cpp")
    source.symlink_to(folder / "mine.cpp")
    return "old.fp8x"


def many(folder):
    for name in "edcba":
        (folder / "old.fp8x" / name).mkdir()
    return "old.fp8x"


def file(name, output=None):
    def make(folder):
        (folder / name).write_text("years of work")
        return output or name

    return make


def pipe(folder):
    os.mkfifo(folder / "pipe")
    return "pipe"


def empty(folder):
    (folder / "empty").mkdir()
    return "empty"


NO_PROGRAM = "exists and is no fp8c program"

IN_THE_WAY = {
    "file": (file("thesis.txt"), ["thesis.txt", NO_PROGRAM]),
    "file, slash": (file("thesis.txt", "thesis.txt/"), ["thesis.txt", NO_PROGRAM]),
    "below a file": (file("thesis.txt", "thesis.txt/out.fp8x"), ["thesis.txt/out.fp8x", "Not a directory"]),
    "pipe": (pipe, ["pipe", NO_PROGRAM]),
    "empty folder": (empty, [NO_PROGRAM, "an empty folder"]),
    "deep manifest": (deep_manifest, [NO_PROGRAM]),
    "foreign manifest": (foreign_manifest, [NO_PROGRAM, "it holds index.html, manifest.json"]),
    "manifest by hand": (edited_manifest(lambda text: text.replace('"fp8c ', '"by hand ')), [NO_PROGRAM]),
    "manifest of a list": (edited_manifest(lambda text: "[]"), [NO_PROGRAM]),
    "manifest cut off": (edited_manifest(lambda text: text[:-20]), [NO_PROGRAM]),
    "manifest is a folder": (edited_manifest(lambda text: ""), [NO_PROGRAM]),
    "a file beside": (beside("notes.txt"), ["beside the program it holds notes.txt", "move that away"]),
    "a hidden folder beside": (beside(".git", pathlib.Path.mkdir), ["it holds .git"]),
    "a run beside": (beside("run", a_run), ["it holds run"]),
    "many things beside": (many, ["it holds a, b, c and 2 more"]),
    "source edited": (edited_source, ["its step.cpp was changed since fp8c wrote it"]),
    "source linked": (linked_source, ["it holds step.cpp"]),
    "link to a program": (link("old.fp8x"), ["link.fp8x: it is a link", "remove the link"]),
    "link to a program, slashes": (link("old.fp8x", output="link.fp8x//"), ["link.fp8x: it is a link"]),
    "link to nothing": (link("nothing"), ["it is a link"]),
    "link to a file": (link("/etc/passwd"), ["it is a link"]),
    "below a link to nothing": (link("nothing", output="link.fp8x/out.fp8x"), ["link.fp8x/out.fp8x"]),
    "here": (lambda folder: ".", ["is no name for a new folder"]),
    "above": (lambda folder: "..", ["is no name for a new folder"]),
    "the program's dot": (lambda folder: "old.fp8x/.", ["is no name for a new folder"]),
    "the root": (lambda folder: "/", ["is no name for a new folder"]),
    "the root, often": (lambda folder: "///", ["is no name for a new folder"]),
    "not writable": (lambda folder: "/proc/out.fp8x", ["cannot create a folder for /proc/out.fp8x"]),
    "long name": (lambda folder: "n" * 300, ["File name too long"]),
    "name too long while it is made": (lambda folder: "n" * 250, ["File name too long"]),
    "long path": (lambda folder: "/".join(["n" * 200] * 30), ["File name too long"]),
}


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_in_the_way(folder, name):
    """Refused before the model is read: there is none."""
    make, says = IN_THE_WAY[name]
    refuses("fp8c", "compile", "none.onnx", "-o", make(folder), folder=folder, says=[*says, "hint: "])


def test_what_comes_in_the_way_while_compiling(folder, arguments, compilers):
    """It is looked at again before anything is replaced."""
    nosy = script(compilers["quick"].parent / "nosy", QUICK + f"echo mine > {folder}/old.fp8x/notes.txt\n")
    compilers["nosy"] = nosy
    before = listing(folder / "old.fp8x")
    output = run("fp8c", *arguments("old.fp8x", "nosy"), status=1, cwd=folder)
    assert "it holds notes.txt" in output
    assert listing(folder / "old.fp8x").keys() - before.keys() == {"notes.txt"}
    assert [path.name for path in folder.iterdir()] == ["old.fp8x"]


# ------------------------------------------------------------------------------
# What is replaced
# ------------------------------------------------------------------------------


def older(folder):
    """What compilers wrote that did not know checksums."""
    path = folder / "old.fp8x/manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["files"], manifest["checksum"]
    path.write_text(json.dumps(manifest, indent=1))
    return "old.fp8x"


def without_sources(folder):
    for name in "step.cpp", "program.mlir":
        (folder / "old.fp8x" / name).unlink()
    return "old.fp8x"


def for_a_gpu(folder):
    (folder / "old.fp8x/step.cpp").unlink()
    (folder / "old.fp8x/step.cu").write_text("// CUDA")
    return "old.fp8x"


def damaged_library(folder):
    (folder / "old.fp8x/program.so").write_text("?")
    return "old.fp8x"


REPLACED = {
    "new": lambda folder: "new.fp8x",
    "new folders": lambda folder: "a/b/new.fp8x",
    "in its folder": lambda folder: folder / "new.fp8x///",
    "program": lambda folder: "old.fp8x",
    "program, slashes": lambda folder: "old.fp8x//",
    "through a linked folder": lambda folder: (folder / "here").symlink_to(folder) or "here/old.fp8x",
    "older program": older,
    "program without sources": without_sources,
    "program for a GPU": for_a_gpu,
    "program that was damaged": damaged_library,
}  # fmt: skip


@pytest.mark.parametrize("name", REPLACED)
def test_replaced(folder, arguments, name):
    output = REPLACED[name](folder)
    before = {path.name for path in folder.iterdir()}
    run("fp8c", *arguments(output), cwd=folder)
    program = folder / str(output)
    assert {path.name for path in program.iterdir()} == {"manifest.json", "program.mlir", "program.so", "step.cpp"}
    assert json.loads((program / "manifest.json").read_text())["recipe"] == "bf16"
    made = pathlib.Path(os.path.relpath(program, folder)).parts[0]
    assert {path.name for path in folder.iterdir()} == before | {made}


# ------------------------------------------------------------------------------
# Ended while compiling
# ------------------------------------------------------------------------------


def default_signals():
    """Whoever started the tests may have had some ignored, as a shell does behind `&`."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def compiling(folder, arguments, monkeypatch):
    """A way to start a compilation that does not end; gives it and its children."""
    started = []

    def begin(output, **options):
        pids = folder.parent / f"pids-{len(started)}"
        monkeypatch.setenv("PIDS", str(pids))
        options.setdefault("preexec_fn", default_signals)
        process = subprocess.Popen(
            [BIN / "fp8c", *map(str, arguments(output, "endless"))],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options,
        )  # fmt: skip
        started.append((process, pids))
        wait_for(pids.exists)
        return process, [int(pid) for pid in pids.read_text().split()]

    yield begin
    for process, pids in started:
        process.kill()
        process.wait()
        for pid in pids.read_text().split() if pids.exists() else []:
            if runs(int(pid)):
                os.kill(int(pid), signal.SIGKILL)
        pids.unlink(missing_ok=True)


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def runs(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ")[1][0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("output", ["old.fp8x", "new.fp8x", "a/b/new.fp8x"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_leave_nothing(folder, compiling, number, output):
    before = listing(folder)
    process, children = compiling(output)
    process.send_signal(number)
    assert process.wait(60) == -number
    assert listing(folder) == before
    wait_for(lambda: not any(map(runs, children)))


def test_a_signal_at_any_time(folder, arguments):
    """Before, while and after the program takes its place."""
    run("fp8c", *arguments("old.fp8x", recipe="f32"), cwd=folder)
    old, began = listing(folder), time.monotonic()
    run("fp8c", *arguments("old.fp8x"), cwd=folder)
    took, new = time.monotonic() - began, listing(folder)
    for part in range(1, 9):
        run("fp8c", *arguments("old.fp8x", recipe="f32"), cwd=folder)
        assert listing(folder) == old
        process = subprocess.Popen([BIN / "fp8c", *map(str, arguments("old.fp8x"))], cwd=folder)
        time.sleep(took * part / 8)
        process.terminate()
        assert process.wait(60) in (0, -signal.SIGTERM)
        assert listing(folder) in (old, new)
        if process.returncode == 0:
            assert listing(folder) == new


def test_an_ignored_hangup(folder, compiling):
    """nohup fp8c compile goes on when its terminal goes."""
    process, children = compiling("new.fp8x", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert process.poll() is None and all(map(runs, children))


def staging(folder):
    return [path for path in folder.iterdir() if ".tmp-" in path.name]


@pytest.mark.parametrize("output", ["old.fp8x", "new.fp8x"])
def test_after_a_kill(folder, compiling, arguments, output):
    before = listing(folder)
    process, _ = compiling(output)
    process.kill()
    process.wait()
    (left,) = staging(folder)
    assert (left / "tmp/half.s").exists()
    # A compilation to another place has nothing to do with it.
    run("fp8c", *arguments(f"more-{output}"), cwd=folder)
    assert staging(folder) == [left]
    run("fp8c", *arguments(output), cwd=folder)
    assert staging(folder) == []
    assert {name.split("/")[0] for name in listing(folder)} == {"old.fp8x", output, f"more-{output}"}
    assert before.keys() <= listing(folder).keys()


def test_a_compilation_beside_is_left_alone(folder, compiling, arguments):
    process, _ = compiling("new.fp8x")
    (others,) = staging(folder)
    run("fp8c", *arguments("new.fp8x"), cwd=folder)
    assert staging(folder) == [others] and process.poll() is None
    done = listing(folder / "new.fp8x")
    process.terminate()
    process.wait(60)
    assert staging(folder) == [] and listing(folder / "new.fp8x") == done


def mine(folder):
    (folder / "old.fp8x.tmp-01234567").mkdir()
    (folder / "old.fp8x.tmp-01234567/thesis.txt").write_text("years of work")


def mine_too(folder):
    (folder / "old.fp8x.tmp-01234567").mkdir()
    (folder / "old.fp8x.tmp-01234567/manifest.json").write_text('{"name": "app"}')


def a_link(folder):
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere/program.so").write_text("mine")
    (folder / "old.fp8x.tmp-01234567").symlink_to(folder / "elsewhere")


def another_name(folder):
    (folder / "old.fp8x.tmp-2026").mkdir()
    (folder / "old.fp8x.tmp-notes123").mkdir()


@pytest.mark.parametrize("make", [mine, mine_too, a_link, another_name])
def test_what_only_looks_like_a_leftover(folder, arguments, make):
    make(folder)
    before = listing(folder)
    run("fp8c", *arguments("old.fp8x"), cwd=folder)
    after = listing(folder)
    assert {n: v for n, v in before.items() if not n.startswith("old.fp8x/")} == {
        n: v for n, v in after.items() if not n.startswith("old.fp8x/")
    }


# ------------------------------------------------------------------------------
# Other commands
# ------------------------------------------------------------------------------


def test_the_chosen_recipe(folder):
    """It goes beside the program, where a recipe of one's own may be."""
    (folder / "x.recipe.yaml").write_text("name: mine\n")
    command = ["compile", "none.onnx", "--recipe", "auto", "--stats", "none.json"]
    for output in "x.fp8x", "x.fp8x/":
        refuses("fp8c", *command, "-o", output, folder=folder, says=["x.recipe.yaml", "no recipe that fp8c chose", "hint: "])


MODEL = "model gpt2 --layers 1 --d-model 16 --heads 2 --vocab 32 --seq 8 --no-weights -o".split()
WRITERS = {"model": ([*MODEL, "out"], "out", "out.partial"), "data": (["data", "text", "-o", "out"], "out.train.bin", "out.train.bin.partial")}


@pytest.fixture(params=WRITERS)
def writer(request, tmp_path):
    (tmp_path / "text").write_text("So much text, so little room. " * 400)
    return WRITERS[request.param]


def test_partial_files_are_made_anew(tmp_path, writer):
    """What a killed process left is replaced; links are not followed."""
    command, output, partial = writer
    (tmp_path / partial).write_text("half")
    run("fp8c", *command, cwd=tmp_path)
    whole = (tmp_path / output).read_bytes()
    assert not (tmp_path / partial).exists()
    (tmp_path / "precious").write_text("years of work")
    (tmp_path / partial).symlink_to("precious")
    refuses("fp8c", *command, folder=tmp_path, says=output)
    assert (tmp_path / output).read_bytes() == whole


def test_devices_are_not_replaced(tmp_path, writer):
    command, output, _ = writer
    os.mkfifo(tmp_path / output)
    refuses("fp8c", *command, folder=tmp_path, says=[output, "not a regular file"])
