import gzip
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from groundshift.errors import SourceError
from groundshift.reference.eopatch import Bounds, list_patches, read_patch, write_patch

SOURCES = ("S1_asc", "S1_dsc", "S2")


@pytest.mark.parametrize("source", SOURCES)
def test_patches_are_written_as_they_were(source: str, golden: Path, tmp_path: Path) -> None:
    found = list_patches(golden / "format" / source)
    assert [time for time, _ in found] == sorted(time for time, _ in found)
    for time, folder in found:
        patch = read_patch(folder)
        assert patch.time == time
        assert patch.bounds == Bounds(18.0, 49.0, 18.01, 49.01, 4326)
        copy = write_patch(patch, tmp_path)
        assert copy.name == folder.name
        files = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
        assert sorted(p.relative_to(copy) for p in copy.rglob("*") if p.is_file()) == files
        for file in files:
            assert (copy / file).read_bytes() == (folder / file).read_bytes()


def test_eolearn_reads_what_is_written(golden: Path, tmp_path: Path) -> None:
    patch = read_patch(golden / "format/S2/20190301T100000")
    folder = write_patch(patch, tmp_path)
    from eolearn.core import EOPatch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # eo-learn calls the layout old
        read = EOPatch.load(str(folder))
        np.testing.assert_array_equal(read.data["L1C_data"], patch.data["L1C_data"])
        np.testing.assert_array_equal(read.mask["dataMask"], patch.mask["dataMask"])
        assert tuple(read.bbox) == (18.0, 49.0, 18.01, 49.01)
        assert [moment.isoformat() for moment in read.timestamps] == ["2019-03-01T10:00:00"]


def test_compressed_arrays_and_newer_time_files_are_read(golden: Path, tmp_path: Path) -> None:
    source = golden / "format/S2/20190301T100000"
    folder = shutil.copytree(source, tmp_path / source.name)
    (folder / "timestamp.json").rename(folder / "timestamps.json")
    plain = folder / "data/L1C_data.npy"
    (folder / "data/L1C_data.npy.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    patch, expected = read_patch(folder), read_patch(source)
    assert patch.time == expected.time
    np.testing.assert_array_equal(patch.data["L1C_data"], expected.data["L1C_data"])


def test_folders_are_listed_by_the_published_rule(tmp_path: Path) -> None:
    for name in ("20200102T000000", "20190102T000000", "2019-05-01"):
        (tmp_path / name).mkdir()
    assert [path.name for _, path in list_patches(tmp_path)] == [
        "20190102T000000",
        "20200102T000000",
    ]
    (tmp_path / "notes").mkdir()
    with pytest.raises(SourceError, match="expected a folder named YYYYmmddTHHMMSS, found 'notes'"):
        list_patches(tmp_path)


def test_half_a_patch_is_refused(golden: Path, tmp_path: Path) -> None:
    source = golden / "format/S2/20190301T100000"
    folder = shutil.copytree(source, tmp_path / source.name)
    (folder / "bbox.geojson").unlink()
    with pytest.raises(SourceError, match="expected a whole EOPatch"):
        read_patch(folder)
    (folder / "timestamp.json").unlink()
    with pytest.raises(SourceError, match=r"with timestamp\.json, found none"):
        read_patch(folder)
