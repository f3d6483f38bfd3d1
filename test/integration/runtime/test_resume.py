"""A resumed run continues bit for bit, however it was ended."""

import json
import random
import time

from conftest import BIGRAM, checkpoints, metrics, weights


def test_equals_the_uninterrupted_run(tool):
    tool.train("--steps", 30, "--val", "val.bin", "--eval-every", 7, "--out",
               "whole")
    tool.train("--steps", 13, "--val", "val.bin", "--eval-every", 7)
    tool("train", "--resume", "run", "--steps", 30)
    whole, run = tool.folder / "whole", tool.folder / "run"
    assert weights(whole, 30) == weights(run, 30)
    # Step 13 was the last of the shorter run, and so it was evaluated.
    expected, actual = metrics(whole), metrics(run)
    assert actual[12].pop("val_loss") is not None
    assert expected[12].pop("val_loss") is None
    assert actual[12].pop("checksum") != expected[12].pop("checksum")
    assert expected == actual


def test_equals_after_kills(tool):
    steps = 120
    arguments = ["--steps", steps, "--checkpoint-every", 3, "--accumulate", 2]
    tool.train(*arguments, "--out", "whole")
    sleep = {"BIGRAM_SLEEP": "1"}
    choose = random.Random(1)
    run = tool.folder / "run"
    command = ["train", BIGRAM, "--data", "train.bin", "--lr", "0.05",
               "--warmup", "2", "--schedule", "constant", *arguments]
    kills = 0
    while True:
        process = tool.popen(*command, environment=sleep)
        time.sleep(choose.uniform(0, 0.15) if kills < 8 else 5)
        process.kill()
        out, err = process.communicate()
        assert process.returncode in (-9, 0), err
        for name in checkpoints(run) if run.exists() else []:
            if not name.startswith("."):  # complete from the moment it is seen
                state = run / "checkpoints" / name / "state.json"
                assert json.loads(state.read_text())["step"] == int(name[5:])
        if process.returncode == 0:
            break
        kills += 1
        if (run / "config.json").exists():
            command = ["train", "--resume", run]
    assert kills >= 3
    assert weights(tool.folder / "whole", steps) == weights(run, steps)
    assert metrics(tool.folder / "whole") == metrics(run)
    assert not [name for name in checkpoints(run) if name.startswith(".")]


def test_before_the_first_checkpoint(tool):
    tool.train("--steps", 5, "--out", "whole")
    tool.train("--steps", 5)
    run = tool.folder / "run"
    (run / "checkpoints/step-000005").rename(run / "checkpoints/.step-000005")
    out = tool("train", "--resume", "run")
    assert "no checkpoint yet: starting at the beginning" in out
    assert weights(tool.folder / "whole", 5) == weights(run, 5)
    assert metrics(tool.folder / "whole") == metrics(run)
    assert checkpoints(run) == ["step-000005"]


def test_a_complete_run_stays_as_it_is(tool):
    tool.train("--steps", 5)
    before = (tool.folder / "run/metrics.jsonl").read_bytes()
    assert "the run is complete" in tool("train", "--resume", "run")
    assert (tool.folder / "run/metrics.jsonl").read_bytes() == before


def rates(folder):
    return [round(line["lr"], 6) for line in metrics(folder)]


def test_more_steps_keep_the_schedule(tool):
    linear = ["--schedule", "linear", "--warmup", 1, "--lr", 0.5, "--min-lr", 0.1]
    tool.train("--steps", 6, *linear)
    first = rates(tool.folder / "run")
    assert first[-1] == 0.1
    assert "of 6 steps, then as the last of them" in tool("train", "--resume", "run", "--steps", 8)
    assert rates(tool.folder / "run") == [*first, 0.1, 0.1]
    # Once more, and interrupted or not: the schedule is still the first one.
    tool("train", "--resume", "run", "--steps", 9)
    assert rates(tool.folder / "run") == [*first, 0.1, 0.1, 0.1]
    # Stretched: as if all steps had been asked for, from here on.
    tool("train", "--resume", "run", "--steps", 12, "--reschedule")
    tool.train("--steps", 12, *linear, "--out", "whole")
    assert rates(tool.folder / "run")[9:] == rates(tool.folder / "whole")[9:]
    assert "--reschedule is for --resume" in tool.fails("train", BIGRAM, "--data", "train.bin", "--steps", 3, "--reschedule")


def test_more_steps_without_a_learning_rate(tool):
    tool.train("--steps", 4, "--schedule", "cosine", "--min-lr", 0)
    message = tool.fails("train", "--resume", "run", "--steps", 6)
    assert "more would do nothing" in message and "--reschedule" in message
    tool("train", "--resume", "run", "--steps", 6, "--reschedule")
    assert len(metrics(tool.folder / "run")) == 6


def test_options_are_those_of_the_run(tool):
    tool.train("--steps", 5)
    message = tool.fails("train", "--resume", "run", "--lr", 1)
    assert "--lr cannot be changed" in message
    message = tool.fails("train", "--resume", "run", "--steps", 4)
    assert "can only be raised on resume, and the run has 5" in message
    tool("train", "--resume", "run", "--steps", 7, "--keep", 1)
    options = json.loads((tool.folder / "run/config.json").read_text())["options"]
    assert (options["steps"], options["keep"], options["lr"]) == (7, 1, 0.05)
    assert checkpoints(tool.folder / "run") == ["step-000007"]


def test_refuses_another_program(tool, program):
    copy = program(lambda manifest: None)
    tool("train", copy, "--data", "train.bin", "--steps", 2)
    program(lambda manifest: manifest.update(fingerprint="other"))
    message = tool.fails("train", "--resume", "run")
    assert "the program was compiled again since the run began" in message
    assert "hint: " in message
    tool("eval", "run", "--data", "val.bin")  # it has the same variables
    program(lambda manifest: next(v for v in manifest["variables"] if v["name"] == "calibrations").update(name="other"))
    message = tool.fails("eval", "run", "--data", "val.bin")
    assert "the checkpoint belongs to another model: its fingerprint is " in message
    assert "hint: " in message


def test_refuses_other_data(tool):
    tool.train("--steps", 2)
    with open(tool.folder / "train.bin", "ab") as file:
        file.write(b"\0\0")
    message = tool.fails("train", "--resume", "run", "--steps", 3)
    assert "had 18000 tokens, now it has 18001" in message


def test_no_run_here(tool):
    assert "there is no run in this folder" in tool.fails(
        "train", "--resume", "none")
    assert not (tool.folder / "none").exists()
