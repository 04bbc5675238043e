import os
import socket

import pytest

from sandbox.stack import StackProblem
from sandbox.stack.ports import FREE_PORT_MIN, free_ports, holder, is_free, require_free


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(is_free(port) for port in ports)


def test_port_that_was_given_is_not_given_again_though_nobody_listens_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (given,) = free_ports(1)
    (other,) = free_ports(1)
    offered = iter([given - FREE_PORT_MIN, given - FREE_PORT_MIN, other - FREE_PORT_MIN])

    def offer(_: int) -> int:
        return next(offered)

    monkeypatch.setattr("sandbox.stack.ports.secrets.randbelow", offer)
    with pytest.raises(StopIteration):
        free_ports(1)


def test_taken_port_is_refused_with_its_holder_and_a_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        assert not is_free(port)
        assert f"process {os.getpid()}" in holder(port)
        with pytest.raises(StackProblem) as caught:
            require_free(port, purpose="Kafka", setting="SOME_PORT")
    assert caught.value.what == f"Port {port}, which Kafka needs, is taken"
    assert "SOME_PORT=" in caught.value.fix
