"""How the processes of a job find each other, what they refuse, and how they end when one
of them is lost.

The last test draws its moments; FP8C_LOSSES=50 draws as many, the default is one of each kind.
"""

import json
import os
import random
import re
import signal
import socket
import subprocess
import time

import numpy as np
import pytest

from support import BIN, compile_model, run, start

TOKEN = "0123456789abcdef"
SIZE = 3


@pytest.fixture(scope="module")
def inputs(tiny, tmp_path_factory):
    """Programs by their number of processes, and tokens."""
    folder = tmp_path_factory.mktemp("inputs")
    data = folder / "data.bin"
    np.random.default_rng(1).integers(0, 32, 4000).astype("<u2").tofile(data)
    other = folder / "other.bin"
    np.random.default_rng(2).integers(0, 32, 4000).astype("<u2").tofile(other)
    options = ["--recipe", "f32", "--batch", 2, "--host-opt", 0]
    programs = {
        dp: compile_model(tiny, folder / f"{dp}.fp8x", *options, "--parallel", f"dp={dp}") for dp in (1, 2, SIZE)
    }
    programs["other"] = compile_model(tiny, folder / "other.fp8x", *options[:3], 1, "--parallel", "dp=2")
    return {"data": data, "other data": other, "programs": programs}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as listener:
            listener.bind(("::1", 0))
        return True
    except OSError:
        return False


def torchrun(rank, size, port):
    return {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": rank, "MASTER_ADDR": "localhost", "MASTER_PORT": port}


def mpirun(rank, size, port):
    sizes = {"OMPI_COMM_WORLD_SIZE": size, "OMPI_COMM_WORLD_LOCAL_SIZE": size}
    ranks = {"OMPI_COMM_WORLD_RANK": rank, "OMPI_COMM_WORLD_LOCAL_RANK": rank}
    return {**sizes, **ranks, "FP8C_ADDRESS": f"127.0.0.1:{port}"}


def srun(rank, size, port):
    ranks = {"SLURM_STEP_NUM_TASKS": size, "SLURM_PROCID": rank, "SLURM_LOCALID": rank}
    return {**ranks, "SLURM_STEP_NODELIST": "localhost", "FP8C_ADDRESS": f"localhost:{port}"}


def mpiexec(rank, size, port):
    ranks = {"PMI_SIZE": size, "PMI_RANK": rank, "MPI_LOCALRANKID": rank, "MPI_LOCALNRANKS": size}
    return {**ranks, "FP8C_ADDRESS": f"[::1]:{port}"}


def train(inputs, out, *options, program=2, data="data"):
    """A command line of fp8c-run."""
    return ["train", inputs["programs"][program], "--data", inputs[data], "--out", out, "--steps", 4, *options]


def launch(environment, arguments):
    """One process of a job, as a foreign launcher starts it."""
    texts = {name: str(value) for name, value in {"FP8C_TOKEN": TOKEN, **environment}.items()}
    return subprocess.Popen(
        [BIN / "fp8c-run", *map(str, arguments)],
        env={**os.environ, **texts},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(processes, timeout):
    """The exit status and the errors of each; none may take longer."""
    end = time.monotonic() + timeout
    results = []
    try:
        for process in processes:
            _, errors = process.communicate(timeout=max(0.1, end - time.monotonic()))
            results.append((process.returncode, errors))
    finally:
        for process in processes:
            process.kill()
    return results


def losses(folder):
    return [json.loads(line)["loss"] for line in open(folder / "metrics.jsonl")]


@pytest.mark.parametrize("launcher", [torchrun, mpirun, srun, mpiexec])
def test_launchers_start_what_nproc_does(inputs, launcher, tmp_path):
    if launcher is mpiexec and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    run("fp8c-run", *train(inputs, tmp_path / "nproc"), "--nproc", 2)
    port = free_port()
    arguments = train(inputs, tmp_path / "run")
    results = finish([launch(launcher(rank, 2, port), arguments) for rank in (1, 0)], 20)
    assert [status for status, _ in results] == [0, 0], results
    assert losses(tmp_path / "run") == losses(tmp_path / "nproc")


@pytest.mark.parametrize("dp,processes", [(2, []), (2, ["--nproc", 3]), (1, ["--nproc", 2])])
def test_other_numbers_of_processes_are_refused(inputs, dp, processes, tmp_path):
    output = run("fp8c-run", *train(inputs, tmp_path / "run", *processes, program=dp), status=1)
    count = processes[1] if processes else 1
    assert f"compiled for {dp} process" in output and f", but {count} run" in output and "--nproc" in output
    assert not (tmp_path / "run").exists()


# What each of two processes does, and what each of them says. A job's processes are told why
# it does not begin; a stranger is told why it is refused, and the job goes on waiting.
REFUSED = {
    "one never comes": ([{}, None], ["1 has not come within 2 s: rank 1", None]),
    "rank 0 never comes": ([None, {}], [None, "rank 1 has not reached rank 0"]),
    "another token": ([{}, {"environment": {"FP8C_TOKEN": TOKEN[::-1]}}],
                      ["was refused: its token is not the job's", "its token is not the job's"]),
    "no token": ([{"environment": {"FP8C_TOKEN": ""}}] * 2, ["the job has no token"] * 2),
    "one rank twice": ([{}, {"rank": 0}], ["rank 0", "rank 0"]),
    "another size": ([{}, {"size": 3, "program": 3}], ["one of 3, rank 0 as one of 2"] * 2),
    "another program": ([{}, {"program": "other"}], ["has other programs"] * 2),
    "another option": ([{}, {"options": ["--lr", 0.5]}], ["has other options than rank 0", "lr 0.5, not lr 0.0006"]),
    "other data": ([{}, {"data": "other data"}], ["has other data than rank 0", "tokens with checksum"]),
    "no data": ([{}, {"options": ["--data", "nowhere.bin"]}], ["it has failed: cannot read", "nowhere.bin"]),
    "no port": ([{"environment": {"MASTER_PORT": 1 << 16}}] * 2, ["there is no port 65536"] * 2),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_together_is_refused(inputs, case, tmp_path):
    ranks, says = REFUSED[case]
    port = free_port()
    processes = [
        launch(
            {**torchrun(one.get("rank", rank), one.get("size", 2), port), **one.get("environment", {})},
            train(inputs, tmp_path / "run", "--timeout", 2, *one.get("options", []), program=one.get("program", 2),
                  data=one.get("data", "data")),  # fmt: skip
        )
        for rank, one in enumerate(ranks)
        if one is not None
    ]
    results = finish(processes, 10)
    for (status, errors), expected in zip(results, [text for text in says if text]):
        assert status == 1 and expected in errors, results
        assert "hint: " in errors or "cannot read: No such file" in errors
    assert not (tmp_path / "run").exists()


def test_a_port_in_use_is_named(inputs, tmp_path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        arguments = train(inputs, tmp_path / "run", "--timeout", 2)
        results = finish([launch(torchrun(rank, 2, port), arguments) for rank in (0, 1)], 10)
    assert [status for status, _ in results] == [1, 1]
    assert f"rank 0 cannot listen at localhost:{port}: Address already in use" in results[0][1]
    assert "--address" in results[0][1]
    assert "rank 1" in results[1][1]


def test_strangers_do_not_hinder_a_job(inputs, tmp_path):
    """Neither what sends nonsense nor what says nothing."""
    port = free_port()
    arguments = train(inputs, tmp_path / "run", "--timeout", 20)
    first = launch(torchrun(0, 2, port), arguments)
    strangers = []
    for sent in [b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 4096, b"\x02\0\0\0\x0a", os.urandom(64)]:
        while True:
            try:
                strangers.append(socket.create_connection(("127.0.0.1", port)))
                break
            except ConnectionRefusedError:
                time.sleep(0.01)
        strangers[-1].sendall(sent)
    results = finish([first, launch(torchrun(1, 2, port), arguments)], 20)
    assert [status for status, _ in results] == [0, 0], results
    for stranger in strangers:
        stranger.close()


def test_a_latecomer_does_not_end_a_job(inputs, tmp_path):
    port = free_port()
    arguments = train(inputs, tmp_path / "run", "--steps", 400)
    job = [launch(torchrun(rank, 2, port), arguments) for rank in (0, 1)]
    wait_for(tmp_path / "run/metrics.jsonl")
    [(status, errors)] = finish([launch(torchrun(1, 2, port), train(inputs, tmp_path / "other"))], 10)
    assert status == 1 and "rank 1 is here already" in errors
    assert [status for status, _ in finish(job, 30)] == [0, 0]
    assert len(losses(tmp_path / "run")) == 400


def test_an_error_of_one_is_told_by_all(inputs, tmp_path):
    """Only one of them is told to compare replicas, so that it does not do what others do."""
    port = free_port()
    results = finish(
        [
            launch(torchrun(rank, 2, port),
                   train(inputs, tmp_path / "run", "--timeout", 2, *(["--check-replicas"] if rank else [])))
            for rank in (0, 1)
        ],
        20,
    )  # fmt: skip
    for rank, (status, errors) in enumerate(results):
        assert status == 1
        # The one waits for gradients, the other for checksums.
        assert re.search(r"all processes wait for each other for more than 2 s .--timeout.: rank 0 \(.*\) in exchange \d+ of @micro.*, "
                         r"rank 1 \(.*\) in sharing checksums", errors)  # fmt: skip
        assert "all processes wait" in (tmp_path / f"run/errors/rank-{rank}.log").read_text()


def start_training(inputs, out, *options, size=2):
    """Processes that train until they are ended, and their identifiers by rank."""
    command = train(inputs, out, "--nproc", size, "--checkpoint-every", 1, program=size)
    training = start("fp8c-run", *command, "--steps", 10**6, "--keep", 3, *options)
    path = f"/proc/{training.pid}/task/{training.pid}/children"
    children = []
    while len(children) < size:
        children = [int(pid) for pid in open(path).read().split()]
    return training, children


def wait_for(path):
    """Until something stands in a file: of metrics, a step is done, and signals are heeded."""
    while not path.exists() or path.stat().st_size == 0:
        time.sleep(0.002)


@pytest.mark.parametrize("whom", ["all", 0, 1])
def test_all_save_after_the_same_step(inputs, whom, tmp_path):
    """Whoever is asked for a checkpoint: there is one, and the training goes on until it is asked to end."""
    training, children = start_training(inputs, tmp_path / "run", "--checkpoint-every", 0)
    wait_for(tmp_path / "run/metrics.jsonl")
    if whom == "all":
        training.send_signal(signal.SIGUSR2)
    else:
        os.kill(children[whom], signal.SIGUSR2)
    while not complete_checkpoints(tmp_path / "run"):
        time.sleep(0.01)
    training.send_signal(signal.SIGUSR1)
    output, errors = training.communicate(timeout=30)
    assert training.returncode == 128 + signal.SIGUSR1, errors
    assert "as asked" in output and "continue with" in output
    assert len(complete_checkpoints(tmp_path / "run")) == 2


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
@pytest.mark.parametrize("whom", ["all", 0, 1])
def test_all_stop_after_the_same_step(inputs, asked, whom, tmp_path):
    training, children = start_training(inputs, tmp_path / "run")
    wait_for(tmp_path / "run/metrics.jsonl")
    if whom == "all":
        training.send_signal(asked)
    else:
        os.kill(children[whom], asked)
    output, errors = training.communicate(timeout=30)
    assert training.returncode == 128 + asked, errors
    assert "continue with" in output
    last = len(losses(tmp_path / "run"))
    assert json.loads((tmp_path / f"run/checkpoints/step-{last:06d}/state.json").read_text())["step"] == last


def complete_checkpoints(run_folder):
    return sorted(path.name for path in run_folder.glob("checkpoints/step-*") if re.fullmatch(r"step-\d+", path.name))


def is_alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")")[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


KINDS = [(sent, moment) for sent in (signal.SIGKILL, signal.SIGSTOP) for moment in ("load", "training", "checkpoint")]


@pytest.mark.parametrize("number", range(int(os.environ.get("FP8C_LOSSES", len(KINDS)))))
def test_when_one_is_lost_all_end_and_nothing_is(inputs, number, tmp_path):
    sent, moment = KINDS[number % len(KINDS)]
    draw = random.Random(number)
    victim = draw.randrange(SIZE)
    folder = tmp_path / "run"
    training, children = start_training(inputs, folder, "--timeout", 5, size=SIZE)
    if moment == "load":
        time.sleep(draw.uniform(0, 0.2))
    else:
        wait_for(folder / "metrics.jsonl")
        time.sleep(draw.uniform(0, 0.5))
    if moment == "checkpoint":  # one more is begun
        seen = set(folder.glob("checkpoints/*"))
        while set(folder.glob("checkpoints/*")) == seen:
            pass
        time.sleep(draw.uniform(0, 0.002))
    os.kill(children[victim], sent)
    before = complete_checkpoints(folder)
    begin = time.monotonic()
    others = [pid for pid in children if pid != children[victim]]
    while any(map(is_alive, others)):
        assert time.monotonic() - begin < 10
        time.sleep(0.05)
    _, errors = training.communicate(timeout=20)
    assert training.returncode != 0 and not is_alive(children[victim])
    # Each of the others says who was lost, unless the job had not begun yet.
    assert f"rank {victim}" in errors, errors
    if moment != "load":
        for rank in set(range(SIZE)) - {victim}:
            told = re.search(rf"error: rank {victim} \(host .*, process {children[victim]}\) was lost: .*; rank {rank} w", errors)
            assert told, errors
            assert f"rank {victim} (host" in (folder / f"errors/rank-{rank}.log").read_text()
    if not before:
        return
    after = complete_checkpoints(folder)
    assert after[-1] >= before[-1]
    again = start("fp8c-run", "train", "--resume", folder, "--nproc", SIZE)
    while complete_checkpoints(folder)[-1] <= after[-1]:
        assert again.poll() is None, again.communicate()
        time.sleep(0.01)
    again.send_signal(signal.SIGINT)
    output, errors = again.communicate(timeout=20)
    assert again.returncode == 128 + signal.SIGINT, errors
    assert f"resumed at step {int(after[-1][5:])}\n" in output
