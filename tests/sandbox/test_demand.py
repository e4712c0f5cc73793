"""How many boxes should wait follows how many are asked for and how long one takes."""

import pytest

from sandbox.demand import Demand


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def arrive(demand: Demand, clock: Clock, *, a_second: float, seconds: float) -> None:
    for _ in range(int(a_second * seconds)):
        clock.now += 1 / a_second
        demand.arrived()


def test_without_demand_the_minimum_waits(clock: Clock) -> None:
    assert Demand(2, 8, clock=clock).target == 2
    assert Demand(0, 8, clock=clock).target == 0


def test_the_target_is_what_is_asked_for_in_twice_the_time_of_a_refill(clock: Clock) -> None:
    demand = Demand(1, 100, clock=clock)
    for _ in range(50):
        demand.refilled(1.5)
    arrive(demand, clock, a_second=4, seconds=120)
    assert demand.target in (12, 13)  # 4 a second times 1.5 s times 2, smoothed


def test_the_maximum_holds(clock: Clock) -> None:
    demand = Demand(1, 8, clock=clock)
    arrive(demand, clock, a_second=100, seconds=60)
    assert demand.target == 8


def test_demand_that_ends_is_forgotten(clock: Clock) -> None:
    demand = Demand(1, 8, clock=clock)
    arrive(demand, clock, a_second=100, seconds=60)
    clock.now += 300
    assert demand.target == 1
