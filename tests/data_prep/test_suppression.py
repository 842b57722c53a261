from hypothesis import given
from hypothesis import strategies as st

from data_prep import suppression
from data_prep.markers import SFR, exact_cell, hidden_cell
from data_prep.schema import STATUS

SMALL = range(1, 6)


def _printed(part: int, whole: int) -> tuple[float, float]:
    """Bounds of the share behind a per cent printed with one decimal."""
    percent = round(100 * part / whole, 1)
    return max(0.0, percent - 0.055) / 100, min(1.0, (percent + 0.055) / 100)


def test_a_part_hidden_to_protect_another_may_be_large() -> None:
    cells = suppression.bound_parts(
        exact_cell(120), [exact_cell(60), hidden_cell(), hidden_cell(), exact_cell(10)]
    )
    assert [(cell.lower, cell.upper) for cell in cells[1:3]] == [(1, 49), (1, 49)]
    assert cells[1].status == STATUS["suppressed"]


def test_a_small_rest_is_not_uncovered() -> None:
    cells = suppression.bound_parts(exact_cell(102), [exact_cell(100), hidden_cell()])
    assert (cells[1].lower, cells[1].upper) == (1, 5)


def test_parts_of_an_unknown_total_stay_as_read() -> None:
    parts = [hidden_cell(), SFR.read("..")]
    assert suppression.bound_parts(SFR.read(".."), parts) == parts


COUNTS = st.lists(st.integers(0, 300), min_size=1, max_size=8)


@given(COUNTS, st.sampled_from(SMALL), st.integers(0, 8), st.integers(0, 8), st.integers(0, 50))
def test_bounds_of_parts_hold_the_truth(
    others: list[int], small: int, place: int, second: int, unallocated: int
) -> None:
    parts = [*others[:place], small, *others[place:]]
    also = second % len(parts)
    printed = [
        hidden_cell() if part in SMALL or (index == also and part) else exact_cell(part)
        for index, part in enumerate(parts)
    ]
    bounded = suppression.bound_parts(exact_cell(sum(parts) + unallocated), printed)
    for part, cell in zip(parts, bounded, strict=True):
        assert cell.lower <= part <= cell.upper
    inside, outside = bounded[: len(parts) // 2], bounded[len(parts) // 2 :]
    total = suppression.sum_parts(exact_cell(sum(parts) + unallocated), inside, outside)
    assert total.lower <= sum(parts[: len(parts) // 2]) <= total.upper


PAIRS = st.one_of(
    st.tuples(st.sampled_from(SMALL), st.integers(0, 1500)),  # a small part
    st.tuples(st.integers(1, 1500), st.sampled_from(SMALL)),  # a small rest
)


@given(PAIRS, st.integers(0, 200), st.booleans())
def test_bounds_of_a_hidden_pair_hold_the_truth(
    pair: tuple[int, int], more: int, is_printed: bool
) -> None:
    part, rest = pair
    whole = part + rest
    share = _printed(part, whole) if is_printed else None
    part_cell, whole_cell = suppression.bound_share(whole + more, share)
    assert part_cell.lower <= part <= part_cell.upper
    assert whole_cell.lower <= whole <= whole_cell.upper
    assert min(part_cell.upper, whole_cell.upper) >= 5


def test_a_share_close_to_all_gives_a_large_pair() -> None:
    part, whole = suppression.bound_share(245, _printed(200, 203))
    assert whole.lower > 60
    assert part.lower > 60
    assert whole.status == STATUS["derived"]


def test_a_share_that_fits_no_case_leaves_the_ceiling() -> None:
    _, whole = suppression.bound_share(40, (0.5099, 0.5101))
    assert (whole.lower, whole.upper) == (1, 40)


def test_a_rate_bounds_a_hidden_count() -> None:
    cell = suppression.bound_by_ratio(exact_cell(964), (311.15 / 10_000, 311.25 / 10_000))
    assert (cell.lower, cell.value, cell.upper) == (30, 30, 30)
    small = suppression.bound_by_ratio(exact_cell(964), (30 / 10_000, 31.1 / 10_000))
    assert (small.lower, small.upper) == (1, 5)


def test_sums_keep_the_reason_of_a_missing_band() -> None:
    cell = suppression.sum_parts(exact_cell(10), [exact_cell(1), SFR.read("..")], [])
    assert cell.status == STATUS["not_available"]
    whole = suppression.sum_parts(exact_cell(10), [exact_cell(4), exact_cell(3)], [exact_cell(3)])
    assert (whole.value, whole.status) == (7, STATUS["derived"])
