from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.dataset import SPLITS, Dataset, Listing, Sample, Split
from beltline.inspection.data.splitting import check_splits, deal_splits, plan_splits
from hypothesis import given
from hypothesis import strategies as st

_LABELS = ("good", "pit", "scratch")


def _listing(at: int, label: str = "good", split: Split | None = None) -> Listing:
    return Listing(path=f"{at:04d}.png", label=label, split=split)


def _dataset(*rows: tuple[Split, str, str, str]) -> Dataset:
    samples = [
        Sample(
            path=f"{at}.png",
            label=label,
            defective=label != "good",
            mask=None,
            group=group,
            split=split,
            digest=digest,
            height=4,
            width=4,
        )
        for at, (split, label, group, digest) in enumerate(rows)
    ]
    return Dataset(name="x", root=Path("/x"), channels=1, bit_depth=8, samples=tuple(samples))


def _whole() -> list[tuple[Split, str, str, str]]:
    return [(split, label, f"{split}{label}", f"{split}{label}") for split in SPLITS for label in ("good", "pit")]


@given(parts=st.lists(st.tuples(st.sampled_from(_LABELS), st.integers(0, 40)), min_size=1, max_size=120))
def test_units_stay_whole_and_the_order_of_listing_does_not_matter(parts: list[tuple[str, int]]) -> None:
    listings, plan = plan_splits([_listing(at, label) for at, (label, _) in enumerate(parts)])
    units = [unit for _, unit in parts]
    dealt = deal_splits(listings, units, plan)
    assert all(listing.split in SPLITS for listing in dealt)
    homes = {(unit, listing.split) for unit, listing in zip(units, dealt, strict=True)}
    assert len(homes) == len(set(units))
    backwards = deal_splits(listings[::-1], units[::-1], plan)
    assert backwards[::-1] == dealt


@given(defective=st.integers(3, 60), good=st.integers(3, 60))
def test_three_parts_of_a_class_are_enough_for_three_splits(defective: int, good: int) -> None:
    labels = ["good"] * good + [_LABELS[1 + at % 2] for at in range(defective)]
    listings, plan = plan_splits([_listing(at, label) for at, label in enumerate(labels)])
    dealt = deal_splits(listings, range(len(labels)), plan)
    counts = Counter((listing.defective, listing.split) for listing in dealt)
    for is_defective, total in ((True, defective), (False, good)):
        assert abs(counts[is_defective, "train"] - 0.6 * total) <= 2
        assert abs(counts[is_defective, "val"] - 0.2 * total) <= 1
        assert counts[is_defective, "val"] >= 1
        assert counts[is_defective, "test"] >= 1


def test_val_is_taken_from_train_where_only_train_and_test_are_given() -> None:
    listings = [_listing(at, "pit" if at % 4 == 0 else "good", "test" if at >= 40 else "train") for at in range(60)]
    planned, plan = plan_splits(listings)
    dealt = deal_splits(planned, range(60), plan)
    assert "val split" in plan.note
    assert Counter(listing.split for listing in dealt) == {"train": 32, "val": 8, "test": 20}
    assert all(listing.split == "test" for listing in dealt[40:])
    assert any(listing.defective and listing.split == "val" for listing in dealt)


def test_a_split_for_anomaly_detection_is_dealt_anew() -> None:
    listings = [_listing(at, "pit" if at >= 30 else "good", "train" if at < 20 else "test") for at in range(40)]
    planned, plan = plan_splits(listings)
    assert {listing.split for listing in planned} == {None}
    assert "train has no defects" in plan.note
    assert Counter(each.split for each in deal_splits(planned, range(40), plan)) == {"train": 24, "val": 8, "test": 8}


def test_a_full_split_stays() -> None:
    listings = [_listing(at, "good", split) for at, split in enumerate(SPLITS)]
    planned, plan = plan_splits(listings)
    assert deal_splits(planned, range(3), plan) == listings
    assert plan.note == ""


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (["train", None, "test"], "1 of 3 images have no split, such as 0001.png"),
        (["val", "test"], "wanted train and test or all of train, val, test, got test, val"),
    ],
)
def test_half_a_split_is_refused(splits: list[Split | None], message: str) -> None:
    with pytest.raises(DataError, match=message):
        plan_splits([_listing(at, "good", split) for at, split in enumerate(splits)])


def test_one_split_alone_is_dealt_anew_and_val_alone_serves_as_the_test() -> None:
    planned, plan = plan_splits([_listing(at, "pit" if at % 2 else "good", "train") for at in range(20)])
    assert {each.split for each in planned} == {None}
    assert "all images are in train" in plan.note
    splits: list[Split] = ["train"] * 10 + ["val"] * 4
    planned, plan = plan_splits([_listing(at, "pit" if at % 2 else "good", each) for at, each in enumerate(splits)])
    assert Counter(each.split for each in planned) == {"train": 10, "test": 4}
    assert plan.dealt == "train"
    assert plan.note.startswith("no test split was given: val serves as the test")


def test_checks_pass_on_disjoint_splits_with_both_classes() -> None:
    check_splits(_dataset(*_whole()))


def test_a_group_in_two_splits_is_refused() -> None:
    with pytest.raises(DataError, match=r"6\.png \(test\) and 0\.png \(train\) have group 'traingood'"):
        check_splits(_dataset(*_whole(), ("test", "good", "traingood", "new")))


def test_a_file_in_two_splits_is_refused() -> None:
    with pytest.raises(DataError, match=r"0\.png \(train\) and 6\.png \(val\) have the same content"):
        check_splits(_dataset(*_whole(), ("val", "good", "new", "traingood")))


@pytest.mark.parametrize("at", range(6))
def test_a_class_with_no_images_in_a_split_is_refused(at: int) -> None:
    rows = _whole()
    split, label, _, _ = rows.pop(at)
    word = "good" if label == "good" else "defective"
    with pytest.raises(DataError, match=f"split {split} has no {word} image"):
        check_splits(_dataset(*rows))
