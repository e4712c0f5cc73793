"""Takers of boxes: by turns between lanes, in order within one."""

from sandbox.waiting_line import Ticket, WaitingLine


def serve_all(line: WaitingLine, tickets: list[Ticket]) -> list[Ticket]:
    served = []
    while len(line):
        (next_one,) = (ticket for ticket in tickets if ticket not in served and line.is_next(ticket))
        line.leave(next_one, served=True)
        served.append(next_one)
    return served


def test_within_a_lane_the_first_is_served_first() -> None:
    line = WaitingLine()
    tickets = [line.join("acme", takes_warm=True) for _ in range(3)]
    assert serve_all(line, tickets) == tickets


def test_a_lane_with_many_does_not_hold_up_another() -> None:
    line = WaitingLine()
    many = [line.join("acme", takes_warm=True) for _ in range(3)]
    few = [line.join("globex", takes_warm=True), line.join("initech", takes_warm=True)]
    assert serve_all(line, many + few) == [many[0], *few, many[1], many[2]]


def test_a_warm_box_passes_by_those_it_does_not_fit() -> None:
    line = WaitingLine()
    large, usual = line.join("acme", takes_warm=False), line.join("acme", takes_warm=True)
    assert line.is_next(usual, for_warm=True)
    assert not line.is_next(usual)
    assert line.is_next(large)


def test_who_goes_unserved_costs_its_lane_no_turn() -> None:
    line = WaitingLine()
    impatient, patient = line.join("acme", takes_warm=True), line.join("acme", takes_warm=True)
    other = line.join("globex", takes_warm=True)
    line.leave(impatient, served=False)
    assert line.is_next(patient)
    assert not line.is_next(other)
    line.leave(patient, served=False)
    assert line.is_next(other)
