"""The connection of a rank to the first one."""

import json
import socket
from types import SimpleNamespace

import pytest

from data_prep.common.errors import GalaxyError
from galaxy_lightning.runtime.ranks import Ranks

WORDS = ["predict", "--ckpt_path", "best.ckpt"]


def second_rank(port, first):
    """Returns the trainer of rank 1, and the list of what was broadcast to it."""
    received = []

    def broadcast(value):
        received.append(value)
        return (port, "token"), first

    strategy = SimpleNamespace(broadcast=broadcast)
    return SimpleNamespace(
        world_size=2, global_rank=1, node_rank=0, local_rank=1, num_nodes=1, strategy=strategy
    ), received


def test_a_rank_that_differs_has_connected_before_it_ends():
    with socket.create_server(("127.0.0.1", 0)) as server:
        trainer, _ = second_rank(server.getsockname()[1], [*WORDS[:-1], "last.ckpt"])
        with pytest.raises(SystemExit) as ended, Ranks(WORDS) as ranks:
            ranks.meet(trainer)
        assert ended.value.code == 1
        assert isinstance(ended.value.__cause__, GalaxyError)
        assert "process 1 of this command has best.ckpt where process 0 has last.ckpt" in str(
            ended.value.__cause__
        )
        with server.accept()[0] as accepted, accepted.makefile() as messages:
            joined, ending = map(json.loads, messages)
    assert (joined["rank"], ending["status"]) == (1, 1)


def test_ranks_meet_once_although_a_connection_fails():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    trainer, received = second_rank(port, WORDS)
    with Ranks(WORDS) as ranks:
        ranks.meet(trainer)
        ranks.meet(trainer)
    assert len(received) == 1
