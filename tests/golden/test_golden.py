"""Today's answers are those of the golden files: ``python -m tests.golden --check`` tells more."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.golden import days
from tests.golden.differences import between, differences, explained
from tests.golden.groups import Group, groups
from tests.golden.real import ABSENT

GROUPS = {group.name: group for group in groups()}


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS.keys())
def test_todays_answers_are_those_kept(group: Group) -> None:
    if not group.items:
        pytest.skip(ABSENT)
    found = differences(group)
    told = [line for each in islice(found, 3) for line in explained(group, each)]
    assert not found, "\n".join([f"{len(found)} items differ; python -m tests.golden --check tells more", *told])


def test_a_day_is_determined_by_its_seed() -> None:
    for seed in (0, days.PLAIN_BELOW, days.TWO_SESSIONS_FROM):
        assert days.day(seed) == days.day(seed)


def test_a_difference_is_told_by_the_fields_that_differ() -> None:
    was = [{"name": "a", "at": 1, "evidence": {"x": 1}}, {"name": "b", "at": 1}]
    now = [{"name": "a", "at": 1, "evidence": {"x": 2}}, {"name": "c", "at": 1}]
    assert list(between(was, now)) == [
        "~ a: evidence.x 1 -> 2",
        '- {"name":"b","at":1}',
        '+ {"name":"c","at":1}',
    ]
