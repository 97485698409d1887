"""Memory does not grow with the archive. `python -m benchmarks.memory` shows the same of one of ten gigabytes."""

from pathlib import Path

from benchmarks.memory import measure_apart, write_archive


def test_the_peak_of_reading_and_extracting_does_not_grow_with_the_archive(tmp_path: Path):
    peaks = {}
    for megabytes in (20, 120):
        path = tmp_path / f"{megabytes}.warc.gz"
        records = write_archive(path, megabytes * 1_000_000)
        read = measure_apart(path, "read", records)
        assert read["records"] == records
        assert read["bytes"] > 0.9 * megabytes * 1_000_000
        peaks[megabytes] = read["peak_bytes"]
    assert peaks[120] < peaks[20] + 30e6
    extracted = measure_apart(path, "extract", 20)
    assert extracted["records"] == 20
    # half of what a worker may take; most of it is libraries, and code that is compiled now
    assert extracted["peak_bytes"] < 500e6
