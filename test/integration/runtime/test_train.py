"""fp8c-run train: learning, metrics, the log, stopping."""

import fcntl
import json
import math
import re
import signal
import time

from conftest import BATCH, BIGRAM, SEQ, checkpoints, metrics


def test_learns(tool):
    out = tool.train("--steps", 600, "--val", "val.bin", "--accumulate", 4,
                     "--eval-every", 200, "--eval-batches", 10)
    lines = metrics(tool.folder / "run")
    assert [line["step"] for line in lines] == list(range(1, 601))
    assert abs(lines[0]["loss"] - math.log(256)) < 0.1
    assert lines[-1]["loss"] < 1.7  # log 4 is the best
    evaluated = {line["step"]: line["val_loss"]
                 for line in lines if line["val_loss"] is not None}
    assert list(evaluated) == [200, 400, 600]
    assert evaluated[600] < evaluated[200]
    assert f"{BATCH} x {SEQ} tokens x 4 micro-batches = 128 tokens" in out
    assert "trained 600 steps" in out


def test_metrics_keys(tool):
    tool.train("--steps", 2)
    for line in (tool.folder / "run/metrics.jsonl").read_text().splitlines():
        assert list(json.loads(line)) == [
            "step", "loss", "grad_norm", "lr", "val_loss", "checksum", "ms",
            "tokens_per_s"]


def test_step_lines(tool):
    out = tool.train("--steps", 20, "--log-every", 5, "--val", "val.bin",
                     "--eval-every", 10)
    lines = [line for line in out.splitlines() if line.startswith("step ")]
    assert [int(line.split()[1].split("/")[0]) for line in lines] == [
        1, 5, 10, 15, 20]
    pattern = (r"step +\d+/20  loss +\d\.\d{4}  grad_norm +\S+  lr \d\.\de-\d\d"
               r"  +\S+ ms  +[\d,]+ tokens/s(  eta \S+)?(  val_loss \S+)?")
    for line in lines:
        assert re.fullmatch(pattern, line), line
    assert "val_loss" in lines[2] and "val_loss" not in lines[3]


def test_learning_rates(tool):
    tool.train("--steps", 6, "--schedule", "linear", "--warmup", 2, "--lr", 0.6,
               "--min-lr", 0)
    rates = [line["lr"] for line in metrics(tool.folder / "run")]
    # A seventh step would have 0, and do nothing.
    assert [round(rate, 6) for rate in rates] == [0.2, 0.4, 0.6, 0.45, 0.3, 0.15]


def test_accumulation_is_the_mean(tool):
    # A step of two micro-batches has the mean of their losses; the first is
    # what a step of one sees.
    tool.train("--steps", 1, "--out", "one")
    tool.train("--steps", 1, "--accumulate", 2, "--out", "two")
    [one], [two] = metrics(tool.folder / "one"), metrics(tool.folder / "two")
    assert one["loss"] != two["loss"]
    assert two["grad_norm"] < one["grad_norm"]  # averaging, not adding


def test_runs_repeat(tool):
    for name, threads in [("a", "1"), ("b", "2")]:
        tool.train("--steps", 10, "--out", name,
                   environment={"OMP_NUM_THREADS": threads})
    assert metrics(tool.folder / "a") == metrics(tool.folder / "b")
    tool.train("--steps", 10, "--out", "c", "--seed", 2)
    assert metrics(tool.folder / "a") != metrics(tool.folder / "c")


def test_skipped_steps(tool):
    out = tool.train("--steps", 9, environment={"BIGRAM_NAN": "3-5"})
    lines = metrics(tool.folder / "run")
    assert [line.get("skipped") for line in lines] == [
        None, None, 1, 2, 3, 3, 3, 3, 3]
    assert lines[3]["grad_norm"] is None
    assert "skipped 3" in out


def test_gives_up_on_divergence(tool):
    message = tool.fails("train", BIGRAM, "--data", "train.bin", "--steps", 99,
                         "--checkpoint-every", 5,
                         environment={"BIGRAM_NAN": "7-99"})
    assert "stopped at step 56" in message
    assert "not been finite for 50 steps in a row" in message
    assert "hint: lower --lr" in message
    assert len(metrics(tool.folder / "run")) == 56


def test_skips_survive_a_resume(tool):
    nan = {"BIGRAM_NAN": "3-99"}
    tool.train("--steps", 20, environment=nan)
    message = tool.fails("train", "--resume", "run", "--steps", 90,
                         environment=nan)
    assert "stopped at step 52" in message


def interrupted(tool, number):
    process = tool.popen("train", BIGRAM, "--data", "train.bin", "--steps",
                         100000, environment={"BIGRAM_SLEEP": "5"})
    while "step " not in process.stdout.readline():
        pass
    time.sleep(0.1)
    process.send_signal(number)
    out, err = process.communicate()
    return process.returncode, out + err


def test_interrupts_end_with_a_checkpoint(tool):
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1:
        status, out = interrupted(tool, number)
        assert status == 128 + number, out
        assert "continue with: fp8c-run train --resume run" in out
        [name] = checkpoints(tool.folder / "run")
        step = int(name.removeprefix("step-"))
        assert metrics(tool.folder / "run")[-1]["step"] == step
        (tool.folder / "run").rename(tool.folder / f"run-{number}")


def test_a_hangup_that_is_ignored(tool):
    # As under nohup.
    process = tool.popen("train", BIGRAM, "--data", "train.bin", "--steps", 60,
                         environment={"BIGRAM_SLEEP": "5"},
                         preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    while "step " not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGHUP)
    out, err = process.communicate()
    assert process.returncode == 0 and "trained 60 steps" in out, out + err


def test_a_checkpoint_when_asked(tool):
    process = tool.popen("train", BIGRAM, "--data", "train.bin", "--steps", 200,
                         "--log-every", 1, "--keep", 5,
                         environment={"BIGRAM_SLEEP": "5"})
    asked = []
    for line in process.stdout:
        if line.startswith(("step  10/", "step  50/")):
            process.send_signal(signal.SIGUSR2)
        if line.startswith("checkpoint of step "):
            asked.append(int(line.split()[3].rstrip(",")))
    assert process.wait() == 0
    assert len(asked) == 2 and 10 <= asked[0] < 50 <= asked[1] < 200
    assert checkpoints(tool.folder / "run") == [f"step-{step:06d}" for step in [*asked, 200]]


def test_a_closed_pipe(tool):
    # Nobody reads on, as behind `| head -1`: the training does not mind.
    process = tool.popen("train", BIGRAM, "--data", "train.bin", "--steps", 100,
                         "--log-every", 1, environment={"BIGRAM_SLEEP": "2"})
    process.stdout.readline()
    process.stdout.close()
    assert process.wait() == 0, process.stderr.read()
    assert [line["step"] for line in metrics(tool.folder / "run")] == list(range(1, 101))


def test_one_training_per_run(tool):
    process = tool.popen("train", BIGRAM, "--data", "train.bin", "--steps",
                         100000, environment={"BIGRAM_SLEEP": "5"})
    while "step " not in process.stdout.readline():
        pass
    assert "another training is writing to this run" in tool.fails(
        "train", "--resume", "run")
    assert "there is a run in this folder already" in tool.fails(
        "train", BIGRAM, "--data", "train.bin", "--steps", 1)
    process.kill()
    process.communicate()
    with open(tool.folder / "run/lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # went with its holder


def test_wrong_arguments(tool):
    def expect(message, *arguments):
        assert message in tool.fails(*arguments)

    expect("--data is required", "train", BIGRAM, "--steps", 1)
    expect("--steps is required", "train", BIGRAM, "--data", "train.bin")
    expect("PROG is required", "train", "--steps", 1)
    expect("--steps must be at least 1",
           "train", BIGRAM, "--data", "train.bin", "--steps", 0)
    expect("--schedule", "train", BIGRAM, "--schedule", "x")
    expect("hint: see: fp8c-run train --help", "train", "--nonsense")
    expect("subcommand is required")
    expect("fp8c compile --help", "compile", "model.onnx")
    expect('no command "trian"', "trian")
    expect("--decay-steps of schedule wsd must be at least 1",
           "train", BIGRAM, "--data", "train.bin", "--steps", 9, "--schedule", "wsd", "--decay-steps", 0)
    assert not (tool.folder / "run").exists()


def test_help(tool):
    assert tool("--version").startswith("fp8c-run ")
    assert "peak learning rate" in tool("train", "--help")
    assert "After SIGUSR2 it writes" in tool("train", "--help")
    for command in "train", "eval", "sample", "call", "info":
        assert command in tool("--help")
