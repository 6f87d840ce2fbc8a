"""Two machines, each a network namespace of this one: they reach each other by the network only."""

import contextlib
import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from galaxy_lightning.runs.names import HISTORY_COLUMNS
from tests.fuzzing import SOAKING
from tests.galaxy_lightning.runtime.test_ranks import words_of_fit

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not SOAKING, reason="one of the long tests"),
    pytest.mark.skipif(shutil.which("ip") is None or os.geteuid() != 0, reason="namespaces need ip and root"),
]
MACHINES = ("galaxy0", "galaxy1")
ADDRESSES = ("10.98.76.1", "10.98.76.2")


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)


@pytest.fixture
def network():
    """Two namespaces, connected by a cable."""
    with contextlib.ExitStack() as stack:
        for machine in MACHINES:
            ip("netns", "add", machine)
            stack.callback(ip, "netns", "del", machine)
        ip("link", "add", "eth0", "netns", MACHINES[0], "type", "veth", "peer", "eth0", "netns", MACHINES[1])
        for machine, address in zip(MACHINES, ADDRESSES, strict=True):
            ip("-n", machine, "address", "add", f"{address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                ip("-n", machine, "link", "set", device, "up")
        yield


def start(machine, nodes, words):
    """Starts torchrun on a machine, with a process."""
    return subprocess.Popen(
        [
            "ip", "netns", "exec", MACHINES[machine], sys.executable, "-m", "torch.distributed.run",
            f"--nnodes={nodes}", f"--node-rank={machine}", "--nproc-per-node=1",
            f"--master-addr={ADDRESSES[0]}", "--master-port=29500",
            "-m", "galaxy_lightning", *words, "--config=trainer/ddp",
            "--trainer.accelerator=cpu", "--trainer.devices=1", f"--trainer.num_nodes={nodes}",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"GLOO_SOCKET_IFNAME": "eth0"},
    )  # fmt: skip


def test_a_fit_on_two_machines_is_that_of_two_processes(network, small_arrays, tmp_path):
    words = words_of_fit(small_arrays, tmp_path, "machines")
    machines = [start(number, 2, words) for number in range(2)]
    said = [machine.communicate(timeout=200)[0] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], said
    processes = subprocess.run(
        [
            sys.executable, "-m", "galaxy_lightning", *words_of_fit(small_arrays, tmp_path, "processes"),
            "--config=trainer/ddp", "--trainer.accelerator=cpu", "--trainer.devices=2",
        ],
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert processes.returncode == 0, processes.stderr
    runs = [tmp_path / f"{name}/version_0" for name in ("machines", "processes")]
    columns = [name for name in HISTORY_COLUMNS if "seconds" not in name]
    histories = [pd.read_csv(run / "history.csv")[columns] for run in runs]
    pd.testing.assert_frame_equal(*histories, rtol=0, atol=1e-6)
    assert (runs[0] / "predictions.csv").read_bytes() == (runs[1] / "predictions.csv").read_bytes()


def test_a_machine_that_is_lost_ends_the_other(network, small_arrays, tmp_path):
    """Its cable is cut: no message arrives, not even that the connection has ended."""
    words = words_of_fit(small_arrays, tmp_path, "lost", "--trainer.max_epochs=1000")
    machines = [start(number, 2, words) for number in range(2)]
    try:
        while not (tmp_path / "lost/version_0/last.ckpt").exists():
            assert machines[0].poll() is None, machines[0].communicate()
        ip("-n", MACHINES[1], "link", "set", "eth0", "down")
        said = machines[0].communicate(timeout=60)[0]
    finally:
        for machine in machines:
            machine.kill()
            machine.communicate()
    assert machines[0].returncode != 0
    assert "galaxy_lightning fit: error: process 1 of this command" in said
