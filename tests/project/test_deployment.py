"""What docs/deployment.md promises works as it is written there, as far as one machine can tell."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from conftest import ROOT, child_environment, write_store
from distributed import LocalCluster
from distributed.security import Security
from test_packaging import BUILT_FROM, PROJECT

import gapscope
from gapscope.stream import connect

PAGE = (ROOT / "docs" / "deployment.md").read_text()
SRUN = """#!/bin/bash
while [[ "$1" == --* ]]; do shift; done
"$@" --name one &
"$@" --name two
"""
JOB = """
import sys
from gapscope.stream import connect
with connect(sys.argv[-1]) as workers:
    workers.client.wait_for_workers(2)
    print("sum", sum(workers.each(abs, range(10), lambda index: None)))
"""


def block(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE, flags=re.S)[1]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def run(script, folder, scratch, *, path=()):
    """What a bash script prints, once it has ended and all that it left running was killed."""
    (scratch / "dask").write_text(f'#!/bin/bash\nexec {sys.executable} -m dask "$@"\n')
    (scratch / "dask").chmod(0o755)
    places = os.pathsep.join([*map(str, path), str(scratch), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = child_environment(PATH=places, SLURM_JOB_ID="1", SLURM_NTASKS="4")
    output, log = scratch / "output.txt", scratch / "log.txt"
    with output.open("w") as printed, log.open("w") as errors:
        streams = {"stdout": printed, "stderr": errors, "start_new_session": True}
        process = subprocess.Popen(["bash", "-c", script], cwd=folder, env=environment, **streams)
    try:
        process.wait(timeout=60)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == 0, log.read_text()
    return output.read_text()


def test_the_commands_for_one_machine_run(tmp_path, rng):
    y = rng.integers(0, 3, 300)
    x = (rng.standard_normal((300, 6)) + 3 * np.eye(3, 6)[y]).astype(np.float32)
    write_store(tmp_path / "workspace" / "embeddings" / "toy" / "digits" / "train", x, y, dataset="digits")
    script = block("bash").replace("--workspace workspace", f"--workspace {tmp_path}/workspace")
    script = script.replace(":8786", f":{(port := free_port())}").replace("--port 8786", f"--port {port}")
    script = script.replace(":8787", f":{free_port()}")
    assert "softmax" in run(script, ROOT, tmp_path)
    assert (tmp_path / "workspace" / "runs" / "fit-incremental-digits-softmax" / "model.safetensors").exists()


def test_the_slurm_script_is_bash_and_brings_scheduler_workers_and_job_together(tmp_path):
    script = block("bash slurm")
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "srun").write_text(SRUN)
    (tmp_path / "bin" / "srun").chmod(0o755)
    (tmp_path / "cli.py").write_text(JOB)
    assert run(script, tmp_path, tmp_path, path=[tmp_path / "bin"]) == "sum 45\n"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_an_encrypted_cluster_runs_a_job_and_lets_nobody_in_without_the_key(tmp_path):
    script, port = block("bash tls"), free_port()
    script = script.replace(":8786", f":{port}").replace("--port 8786", f"--port {port}")
    (tmp_path / "cli.py").write_text(JOB)
    stranger = f"env -i {sys.executable} cli.py tls://127.0.0.1:{port} 2> refused.txt || echo refused"
    assert run(f"{script}\n{stranger}\n", tmp_path, tmp_path) == "sum 45\nrefused\n"
    assert "is encrypted, and this process has no certificate" in (tmp_path / "refused.txt").read_text()


@pytest.mark.parametrize("kind", ["bash", "bash ssh", "bash slurm", "bash tls"])
def test_every_option_of_a_dask_command_exists(kind):
    for line in block(kind).replace("\\\n", "").splitlines():
        command = re.search(r"\bdask (scheduler|worker|ssh) .*", line)
        if command:
            parameters = import_module(f"distributed.cli.dask_{command[1]}").main.params
            known = {name for one in parameters for name in (*one.opts, *one.secondary_opts)}
            given = re.findall(r"\s(--[a-z-]+)", command[0])
            assert set(given) <= known, f"dask {command[1]}"


def test_the_manifest_is_yaml_whose_parts_find_each_other():
    parts = list(yaml.safe_load_all(block("yaml")))
    assert [part["kind"] for part in parts] == ["Deployment", "Service", "Deployment", "Job"]
    service = parts[1]["metadata"]["name"]
    for part in (parts[2], parts[3]):
        assert f"tcp://{service}:8786" in str(part["spec"]["template"])
    for part in (parts[0], parts[2]):
        assert part["spec"]["selector"]["matchLabels"] == part["spec"]["template"]["metadata"]["labels"]
    assert parts[1]["spec"]["selector"] == parts[0]["spec"]["selector"]["matchLabels"]
    assert all(isinstance(word, str) for word in parts[2]["spec"]["template"]["spec"]["containers"][0]["args"])


def instructions():
    """The instructions of the Dockerfile with their arguments, continued lines joined."""
    lines = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text()).splitlines()
    return [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]


def test_the_container_holds_what_the_package_is_built_from():
    copied = {one for name, words in instructions() if name == "COPY" for one in words.split()[:-1]}
    assert copied == BUILT_FROM
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == copied


def test_the_commands_of_the_container_are_shell_and_its_extras_and_programs_exist():
    arguments = dict(words.split("=") for name, words in instructions() if name == "ARG")
    for name, words in instructions():
        if name == "RUN":
            subprocess.run(["sh", "-n"], input=words, text=True, check=True)
    pages = PAGE + (ROOT / "docs" / "install.md").read_text()
    given = re.findall(r"--build-arg (\w+)=([\w,]+)", pages)
    assert {name for name, _ in given} == {"DEVICE", "EXTRAS"} == set(arguments)
    asked = {one for name, value in [*given, *arguments.items()] if name == "EXTRAS" for one in value.split(",")}
    assert asked <= set(PROJECT["optional-dependencies"])
    pods = [part["spec"]["template"] for part in yaml.safe_load_all(block("yaml")) if part["kind"] != "Service"]
    containers = [pod["spec"]["containers"][0] for pod in pods]
    (program,) = (json.loads(words)[0] for name, words in instructions() if name == "CMD")
    assert {program, *(one["args"][0] for one in containers)} == {"gapscope", "dask"}
    assert program in PROJECT["scripts"]


@pytest.mark.parametrize(("extras", "installed"), [("all", True), ("maps,images", True), ("s3", False), ("", False)])
def test_the_container_takes_torch_for_processors_where_an_extra_asks_for_it(extras, installed, tmp_path):
    (tmp_path / "pip").write_text("#!/bin/sh\necho pip $@\n")
    (tmp_path / "pip").chmod(0o755)
    (first,) = (words for name, words in instructions() if name == "RUN" and "torch" in words)
    for device in ("cpu", "cuda"):
        environment = {"PATH": f"{tmp_path}:/bin:/usr/bin", "DEVICE": device, "EXTRAS": extras}
        done = subprocess.run(["sh", "-c", first], env=environment, capture_output=True, text=True, check=True)
        assert ("whl/cpu" in done.stdout) == (installed and device == "cpu")


def test_the_scripts_for_dask_jobqueue_and_coiled_reach_their_clusters(monkeypatch):
    """With a local cluster, encrypted by a certificate of its own, in the place of theirs."""
    reached = []

    def fit(dataset, *, workspace, scheduler):
        with connect(scheduler) as workers:
            reached.append((dataset, scheduler.split(":")[0], workers.each(abs, [-1], lambda _index: None)))

    def cluster(**options):
        made = LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0", **options)
        monkeypatch.setattr(made, "adapt", lambda **_limits: None)
        return made

    monkeypatch.setitem(sys.modules, "dask_jobqueue", SimpleNamespace(SLURMCluster=lambda **_options: cluster()))
    coiled = SimpleNamespace(Cluster=lambda **_options: cluster(security=Security.temporary()))
    monkeypatch.setitem(sys.modules, "coiled", coiled)
    monkeypatch.setattr(gapscope, "fit_incremental", fit, raising=False)
    for language in ("python jobqueue", "python coiled"):
        exec(compile(block(language), language, "exec"), {"__name__": "__main__"})
    assert reached == [("imagenet", "inproc", [1]), ("imagenet", "tls", [1])]
