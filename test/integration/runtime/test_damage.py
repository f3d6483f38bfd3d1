"""Damage to a run's files is refused by name or has no effect, and costs nothing that is whole."""

import json
import os
import random
import re
import shutil

import pytest

from conftest import metrics, tool_in, weights

STEPS, EVERY, TRIALS = 6, 2, 15
CONFIG, METRICS = "config.json", "metrics.jsonl"
MODEL, STATE = (f"checkpoints/step-000004/{name}" for name in ("model.safetensors", "state.json"))
FILES = [CONFIG, METRICS, MODEL, STATE]
RESULTS = ["step", "loss", "grad_norm", "lr", "val_loss"]


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """A run of six steps that ended after the fourth, and what it would have come to."""
    tool = tool_in(tmp_path_factory.mktemp("damage"))
    tool.train("--steps", STEPS, "--checkpoint-every", EVERY, "--keep", 0)
    run = tool.folder / "run"
    run.rename(tool.folder / "whole")
    shutil.copytree(tool.folder / "whole", tool.folder / "cut")
    shutil.rmtree(tool.folder / "cut/checkpoints/step-000006")
    return Damaged(tool)


class Damaged:
    def __init__(self, tool):
        self.tool, self.run = tool, tool.folder / "run"
        self.whole = {line["step"]: line for line in results(tool.folder / "whole")}
        self.weights = weights(tool.folder / "whole", STEPS)

    def anew(self):
        shutil.rmtree(self.run, ignore_errors=True)
        shutil.copytree(self.tool.folder / "cut", self.run)
        return self.run

    def resume(self, *arguments):
        process = self.tool.popen("train", "--resume", "run", *arguments)
        out, err = process.communicate(timeout=20)
        return process.returncode, out + err

    def refuses(self, file, message=""):
        """Resuming is refused by the file's name and leaves everything as it is."""
        before = contents(self.run)
        status, shown = self.resume()
        assert status == 1 and shown.count("fp8c-run: error: ") == 1, shown
        assert file.split("/")[-1] in shown and message in shown, shown
        assert contents(self.run) == before
        return shown

    def survives(self, file):
        """Refused, or the end is the same; of metrics a line may be lost, by name."""
        before = contents(self.run)
        status, shown = self.resume()
        if status != 0:
            assert status == 1 and "fp8c-run: error: " in shown and file in shown, shown
            assert contents(self.run) == before
            return "refused"
        assert weights(self.run, STEPS) == self.weights
        note = re.search(r"note: run/metrics\.jsonl: lines? ([\d, ]+)", shown)
        found = results(self.run, skip=note[1].split(", ") if note else [])
        for line in found:
            assert line == self.whole[line["step"]]
        if len(found) == STEPS:
            return "no effect"
        assert file == METRICS and re.search(r"note: run/metrics\.jsonl: (line \d|there is no line)", shown), shown
        return "a line lost"


def results(run, skip=()):
    """What a repetition of the run gives again, but of damaged lines: of some numbers, or no JSON."""
    lines = []
    for number, text in enumerate((run / METRICS).read_bytes().split(b"\n"), 1):
        try:
            if str(number) in [one.strip() for one in skip]:
                continue
            line = json.loads(text)
            lines.append({key: line[key] for key in RESULTS})
        except (ValueError, KeyError, TypeError):
            pass
    return lines


def contents(run):
    return {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file() and not path.is_symlink()}


def flip(data, choose):
    bit = choose.randrange(8 * len(data))
    data = bytearray(data)
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


def cut(data, choose):
    return data[: choose.randrange(len(data))]


@pytest.mark.parametrize("damage", [flip, cut])
@pytest.mark.parametrize("file", FILES)
def test_flips_and_cuts(damaged, file, damage):
    choose = random.Random(f"{file} {damage.__name__}")
    outcomes = []
    for _ in range(TRIALS):
        path = damaged.anew() / file
        path.write_bytes(damage(path.read_bytes(), choose))
        lines = len(results(damaged.run)) if file == METRICS else 0
        outcomes.append(damaged.survives(file))
    if file != METRICS:
        assert outcomes.count("refused") >= TRIALS - 2  # a checksum's name may be hit
    if file == MODEL:
        assert set(outcomes) == {"refused"}


def test_header_flips(damaged):
    """Of 260 kB of weights few flips drawn from the whole file hit the header."""
    choose = random.Random(1)
    for _ in range(15):
        path = damaged.anew() / MODEL
        data = path.read_bytes()
        header = 8 + int.from_bytes(data[:8], "little")
        path.write_bytes(flip(data[:header], choose) + data[header:])
        damaged.refuses(MODEL)


def test_older_checkpoints_do_not_matter(damaged):
    path = damaged.anew() / "checkpoints/step-000002/state.json"
    path.write_text("nonsense")
    assert damaged.survives(STATE) == "no effect"


# ------------------------------------------------------------------------------
# Files that are whole, but wrong
# ------------------------------------------------------------------------------


def unseal(path, change=lambda content: None):
    """Edits a sealed file as its hint says: without the checksum."""
    content = json.loads(path.read_text())
    assert list(content)[-1] == "checksum"
    del content["checksum"]
    change(content)
    path.write_text(json.dumps(content, indent=2))


EDITS = {
    "newer format": (STATE, {"format": 99}, "format: is 99; this fp8c-run reads 1"),
    "newer config": (CONFIG, {"format": 99}, "format: is 99; this fp8c-run reads 1"),
    "earlier step": (STATE, {"step": 3}, "step: is 3, but the folder is that of step 4"),
    "negative step": (STATE, {"step": -5}, "step: expected a non-negative integer"),
    "huge step": (STATE, {"step": 2**63}, "step: is 9223372036854775808"),
    "step in words": (STATE, {"step": "4"}, "step: expected a non-negative integer"),
    "negative count": (STATE, {"counters": {"skipped": -7, "skipped_in_a_row": 0}}, "skipped: expected a non-negative"),
    "absurd count": (STATE, {"counters": {"skipped": 5, "skipped_in_a_row": 0}}, "skipped: is 5, and cannot be more than 4"),
    "absurd row": (STATE, {"counters": {"skipped": 1, "skipped_in_a_row": 2}}, "skipped_in_a_row: is 2"),
    "no counters": (STATE, {"counters": {}}, 'has no "skipped"'),
    "other program": (STATE, {"fingerprint": "other"}, "belongs to another program"),
    "other model": (STATE, {"model": "other"}, "belongs to another model: its fingerprint is other"),
    "no options": (STATE, {"options": 3}, "options: expected an object"),
    "other size": (STATE, {"tensors": {"bytes": 5, "checksum": "xxh3:0"}}, "and was written with 5"),
    "lr null": (CONFIG, {"options.lr": None}, "lr: expected a number"),
    "other lr": (CONFIG, {"options.lr": 0.5}, "config.json says lr 0.5, but the checkpoint of step 4 was made with 0.05"),
    "other seed": (CONFIG, {"options.seed": 8}, "config.json says seed 8"),
    "negative data": (CONFIG, {"data_tokens": -1}, "data_tokens: expected a non-negative"),
    "other data": (CONFIG, {"data_tokens": 17999}, "it had 17999 tokens, now it has 18000"),
}


@pytest.mark.parametrize("file, change, message", EDITS.values(), ids=EDITS)
def test_edits(damaged, file, change, message):
    def apply(content):
        for key, value in change.items():
            *parents, last = key.split(".")
            for parent in parents:
                content = content[parent]
            content[last] = value

    path = damaged.anew() / file
    text = path.read_text()
    unseal(path, apply)
    edited = path.read_text()
    shown = damaged.refuses("train.bin" if "it had" in message else "", message)
    if "format" in change:
        assert "hint: use the fp8c-run that wrote it, or a newer one" in shown
    # With its checksum left in place every edit is damage.
    path.write_text(edited.removesuffix("\n}") + "," + text[text.rindex('\n "checksum"') :])
    assert json.loads(path.read_text())["checksum"]
    assert "remove its last member" in damaged.refuses(file, "damaged: its checksum is not that of its contents")


@pytest.mark.parametrize("file, member", [(CONFIG, '"format": 1,'), (STATE, '"step": 4,')])
def test_members_that_occur_twice(damaged, file, member):
    path = damaged.anew() / file
    unseal(path)
    text = path.read_text()
    assert member in text
    path.write_text(text.replace(member, member + " " + member))
    damaged.refuses(file, f"has {member.split(':')[0]} twice")


def shift(header, name, by):
    header[name]["data_offsets"] = [place + by for place in header[name]["data_offsets"]]


HEADERS = {
    "overlap": (lambda h: shift(h, "table.moment1", -4), "overlaps another"),
    "hole": (lambda h: h["calibrations"].update(shape=[2], data_offsets=[h["calibrations"]["data_offsets"][0] + 8, h["calibrations"]["data_offsets"][1]]), "belong to no tensor"),
    "dtype": (lambda h: h["table"].update(dtype="I32"), '"table" is 256x256 i32'),
    "shape": (lambda h: h["table"].update(shape=[65536]), '"table" is 65536 f32'),
    "size": (lambda h: h["table"].update(shape=[256, 255]), "does not fit"),
    "unknown dtype": (lambda h: h["table"].update(dtype="F64"), '"F64" is not supported'),
    "name": (lambda h: h.update(tabel=h.pop("table")), 'lacks variable "table"'),
    "one more": (lambda h: h.update(extra={"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}), "has 5 tensors, the program has 4"),
    "other program": (lambda h: h["__metadata__"].update(fingerprint="other"), "belongs to another program"),
    "no fingerprint": (lambda h: h.pop("__metadata__"), "has no fingerprint"),
    "metadata": (lambda h: h.update(__metadata__={"fingerprint": 3}), "__metadata__.fingerprint: expected a string"),
}


@pytest.mark.parametrize("change, message", HEADERS.values(), ids=HEADERS)
def test_headers(damaged, change, message):
    """Checkpoints without checksums: what the header says is checked on its own."""
    run = damaged.anew()
    unseal(run / STATE, lambda state: state.pop("tensors"))
    data = (run / MODEL).read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    change(header)
    text = json.dumps(header).encode()
    (run / MODEL).write_bytes(len(text).to_bytes(8, "little") + text + data[end:])
    damaged.refuses(MODEL if "another program" not in message else "", message)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda data: data + b"\0", "the last 1 bytes belong to no tensor"),
        (lambda data: data[:-1], "does not fit the file"),
        (lambda data: (1 << 62).to_bytes(8, "little") + data[8:], "cut short"),
        (lambda data: len(data).to_bytes(8, "little") + data[8:], "cut short"),
        (lambda data: data.replace(b'"table":', b'"table.moment1":', 1), "not a safetensors file"),
        (lambda data: data.replace(b'"table.moment2":', b'"table.moment1":', 1), 'has "table.moment1" twice'),
    ],
)
def test_data(damaged, change, message):
    run = damaged.anew()
    unseal(run / STATE, lambda state: state.pop("tensors"))
    (run / MODEL).write_bytes(change((run / MODEL).read_bytes()))
    damaged.refuses(MODEL, message)


@pytest.mark.parametrize("kind", ["pipe", "folder", "/dev/zero", "/dev/null", "nothing"])
@pytest.mark.parametrize("file", FILES)
def test_what_is_no_file(damaged, file, kind):
    path = damaged.anew() / file
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind != "nothing":
        path.symlink_to(kind)
    if (file, kind) == (METRICS, "nothing"):
        assert damaged.survives(file) == "a line lost"
    elif (file, kind) == (CONFIG, "nothing"):
        damaged.refuses("", "there is no run in this folder (run)")
    else:
        damaged.refuses(file, "cannot read: ")


def test_a_folder_with_another_name(damaged):
    folder = damaged.anew() / "checkpoints"
    (folder / "step-000004").rename(folder / "step-4")
    assert "hint: rename it to step-000004" in damaged.refuses("step-4", "wrong name")
    (folder / "step-4").rename(folder / "step-000005")
    damaged.refuses(STATE, "the folder is that of step 5")


# ------------------------------------------------------------------------------
# What is left is used
# ------------------------------------------------------------------------------


def test_without_checksums(damaged):
    """Runs of before there were any."""
    run = damaged.anew()
    unseal(run / CONFIG)
    unseal(run / STATE, lambda state: state.pop("tensors"))
    lines = (run / METRICS).read_text()
    (run / METRICS).write_text(re.sub(r',"checksum":"xxh3:[0-9a-f]{16}"', "", lines))
    status, shown = damaged.resume()
    assert status == 0
    assert shown.count("has no checksum: damage would not be noticed") == 2
    assert weights(run, STEPS) == damaged.weights
    assert results(run) == list(damaged.whole.values())
    assert "checksum" in json.loads((run / CONFIG).read_text())


@pytest.mark.parametrize("broken, offered", [([4], 2), ([6], 4), ([4, 6], 2)])
def test_the_checkpoint_before_is_offered(damaged, broken, offered):
    run = damaged.anew()
    if 6 in broken:
        shutil.copytree(damaged.tool.folder / "whole/checkpoints/step-000006", run / "checkpoints/step-000006")
    newest = max(broken)
    for step in broken:
        path = run / f"checkpoints/step-{step:06}/model.safetensors"
        path.write_bytes(flip(path.read_bytes(), random.Random(step)))
    shown = damaged.refuses(f"step-{newest:06}/model.safetensors")
    command = re.search(r"fp8c-run (train --resume run --step (\d+))$", shown, re.M)
    assert int(command[2]) == offered
    lines, kept = (run / METRICS).read_bytes(), contents(run / "checkpoints")

    # It works for reading too.
    shown = damaged.tool.fails("eval", "run", "--data", "val.bin")
    assert f"step-{newest:06}" in shown
    folder = re.search(rf"run/checkpoints/step-{offered:06}", shown)[0]
    assert "loss" in damaged.tool("eval", folder, "--data", "val.bin")

    shown = damaged.tool(*command[1].split())
    assert f"resumed at step {offered}\n" in shown
    assert "note: newer checkpoints were moved to run/aside-1" in shown
    assert weights(run, STEPS) == damaged.weights
    assert results(run) == list(damaged.whole.values())
    aside = contents(run / "aside-1")
    assert aside.pop(run / "aside-1" / METRICS) == lines
    moved = {run / "checkpoints" / path.relative_to(run / "aside-1"): data for path, data in aside.items()}
    assert moved == {path: data for path, data in kept.items() if int(path.parent.name[5:]) > offered}


def test_nothing_is_offered_where_nothing_is_whole(damaged):
    run = damaged.anew()
    for step in (2, 4):
        (run / f"checkpoints/step-{step:06}/state.json").write_text("{}")
    assert "--step" not in damaged.refuses("step-000004/state.json")


def test_resuming_at_a_step(damaged):
    run = damaged.anew()
    status, shown = damaged.resume("--step", 3)
    assert status == 1 and "no checkpoint of step 3" in shown
    assert "hint: it has those of step 2, 4" in shown
    status, shown = damaged.resume("--step", 4)  # the newest: nothing is newer
    assert status == 0 and "aside" not in shown
    assert not (run / "aside-1").exists()
    assert weights(run, STEPS) == damaged.weights
    for i in (1, 2):
        status, shown = damaged.resume("--step", 2)
        assert status == 0 and (run / f"aside-{i}/step-000006").exists(), shown
        assert weights(run, STEPS) == damaged.weights
        assert results(run) == list(damaged.whole.values())
    assert "--step is the checkpoint to resume at" in damaged.tool.fails(
        "train", "x.fp8x", "--data", "train.bin", "--steps", 3, "--step", 2)


def test_a_damaged_line_costs_that_line(damaged):
    path = damaged.anew() / METRICS
    lines = path.read_text().splitlines(keepends=True)
    lines[1] = lines[1].replace('"loss":5', '"loss":4')
    path.write_text("".join(lines))
    status, shown = damaged.resume()
    assert status == 0
    assert shown.count("line 2 is damaged") == 1 and "there is no line of step 2\n" in shown
    assert path.read_text().splitlines(keepends=True)[:4] == lines[:4]
    assert [line["step"] for line in metrics(damaged.run)] == [1, 2, 3, 4, 5, 6]
