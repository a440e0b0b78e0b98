from __future__ import annotations

from pathlib import Path

import pytest
from beltline.benchmarks.soak.schema import SoakSummary
from beltline.studies.latency import soak_memory
from beltline.studies.latency.soak_memory import Reading, main, record, summarised

ROOT = Path(__file__).resolve().parents[3]
FRAMES = 200_000


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Reading], SoakSummary]:
    folder = tmp_path_factory.mktemp("study") / "soak"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(ROOT / ".dev"))
        readings = list(record(folder, FRAMES))
    return readings, summarised(folder, FRAMES)[1]


def test_recording_takes_no_more_memory_as_it_goes(done: tuple[list[Reading], SoakSummary]) -> None:
    readings, _ = done
    later = [reading.resident_mib for reading in readings[1:]]
    assert max(later) - min(later) < 10
    assert readings[-1].frames == FRAMES
    assert 5 < readings[-1].bytes_per_frame < 12


def test_every_synthetic_frame_is_summarised(done: tuple[list[Reading], SoakSummary]) -> None:
    _, summary = done
    assert summary.complete
    assert summary.whole.frames == FRAMES
    assert 5 <= summary.whole.misses <= 60
    assert summary.steady is not None


def test_what_a_frame_costs_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / ".dev"))
    monkeypatch.setattr(soak_memory, "_COST_FRAMES", 50)
    assert main(["--cost", "--folder", str(tmp_path)]) == 0
    notified = capsys.readouterr().out
    assert notified.startswith("handing a frame over: median ")
    assert float(notified.split()[5]) > 0
    assert list(tmp_path.iterdir()) == []


def test_frames_too_few_to_show_anything_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--frames", "3"])
    assert "must be at least 50000, got 3" in capsys.readouterr().err
