"""Leases, in a folder and in S3."""

import threading

import pytest

from groundshift.artifacts.leases import LENGTH, Leases
from groundshift.errors import SourceError
from tests.artifacts.stores import any_store
from tests.s3 import s3, seaweed

__all__ = ["any_store", "s3", "seaweed"]


def test_of_many_who_want_a_lease_one_has_it(any_store):
    leases, holders, most = Leases(any_store.documents), [], []

    def work():
        with leases.held("promotion", patience=60):
            holders.append(1)
            most.append(len(holders))
            holders.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4


def test_a_lease_that_is_held_is_refused_and_free_again_afterwards(any_store):
    leases = Leases(any_store.documents)
    with leases.held("x") as renew:
        renew()
        with pytest.raises(SourceError, match="held by another task") as error:
            leases.held("x", patience=0).__enter__()
        assert error.value.transient
        with leases.held("y", patience=0):
            pass
    with leases.held("x", patience=0):
        pass
    leases.wait("x", patience=0)


def test_a_holder_that_was_killed_loses_it_after_a_while(any_store):
    killed = Leases(any_store.documents)
    held = killed.held("x")
    renew = held.__enter__()
    later = Leases(any_store.documents, clock=lambda: killed.clock() + LENGTH + 1)
    later.wait("x", patience=0)
    with later.held("x", patience=0), pytest.raises(SourceError, match="held by another task"):
        renew()
    held.__exit__(None, None, None)
