from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from beltline.export.contracts import Decision, Frame
from beltline.studies.compression.student_speed import interleaved, main
from typing_extensions import Self


class Noted:
    def __init__(self, name: str, order: list[str]) -> None:
        self.name, self.order = name, order

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def infer(self, frame: Frame) -> Decision:
        self.order.append(self.name)
        return Decision(score=0.5, heatmap=frame[:, :, 0], engine_start_ns=0, engine_end_ns=1)


def test_every_other_round_runs_backwards_and_each_turn_counts_once() -> None:
    order: list[str] = []
    frames = [np.zeros((4, 4, 1), np.uint8)]
    times = interleaved({name: Noted(name, order) for name in "abc"}, frames, rounds=2)
    assert [name for at, name in enumerate(order) if not at or order[at - 1] != name] == ["a", "b", "c", "b", "a"]
    assert {name: len(each) for name, each in times.items()} == {"a": 2, "b": 2, "c": 2}


def test_a_student_is_timed_in_both_precisions_beside_the_teacher(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    students = '[[{"family": "plain", "width": 4, "depth": 1}, [64, 64]]]'
    sizes = ["--teacher", "64", "64", "--frame", "96", "80"]
    arguments = ["--students", students, *sizes, "--threads", "1", "--rounds", "3", "--keep", str(tmp_path)]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    (row,) = [line.split(" | ") for line in lines if line.startswith("| plain width 4 depth 1 ")]
    assert row[1] == "64 x 64"
    assert len(row) == 8
    fp32_ms, int8_ms, gain = (float(cell.split(" ")[0]) for cell in row[3:6])
    assert min(fp32_ms, int8_ms, gain) > 0
    assert lines[-1].startswith("the teacher: ")


def test_a_network_that_is_none_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    students = '[[{"family": "plain", "width": 1}, [64, 64]]]'
    assert main(["--students", students, "--threads", "1", "--keep", str(tmp_path)]) == 2
    assert "width" in capsys.readouterr().err
