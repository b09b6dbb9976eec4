from groundshift.observations.sources import retries
from groundshift.observations.sources.retries import Limit


def test_refusals_that_go_on_are_waited_for_ever_longer(monkeypatch):
    monkeypatch.setattr(retries.random, "uniform", lambda low, high: high)
    clock = [0.0]
    monkeypatch.setattr(retries.time, "monotonic", lambda: clock[0])
    limit, waits = Limit(), []
    for _ in range(8):
        limit.postpone(0.01)
        waits.append(limit._next - clock[0])
        clock[0] = limit._next
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    limit.relax()
    limit.postpone(0.01)
    assert limit._next - clock[0] == 1
