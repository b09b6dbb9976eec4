import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundshift.errors import ContractError
from groundshift.reference.records import read_records, write_records


@given(records=st.lists(st.binary(max_size=50), max_size=5))
def test_records_survive_and_repeat_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("records")
    write_records(folder / "one", records)
    write_records(folder / "two", records)
    assert list(read_records(folder / "one")) == records
    assert (folder / "one").read_bytes() == (folder / "two").read_bytes()


def test_content_is_framed_as_the_published_files_are(golden: Path, tmp_path: Path) -> None:
    source = golden / "format/stack/0_0.tfrecords"
    write_records(tmp_path / "copy", read_records(source))
    assert gzip.decompress((tmp_path / "copy").read_bytes()) == gzip.decompress(source.read_bytes())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-1], "record 1 is cut off"),
        (lambda content: content[:25], "record 1 is cut off"),
        (lambda content: content[:-5] + b"?" + content[-4:], "record 1 is damaged"),
        (lambda content: b"?" + content[1:], "record 0 is damaged"),
    ],
)
def test_damage_is_found(tmp_path: Path, damage: object, message: str) -> None:
    path = tmp_path / "file"
    write_records(path, [b"abc", b"defgh"])
    path.write_bytes(gzip.compress(damage(gzip.decompress(path.read_bytes()))))
    with pytest.raises(ContractError, match=message):
        list(read_records(path))


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"not compressed")
    write_records(tmp_path / "whole", [bytes(range(200))])
    whole = (tmp_path / "whole").read_bytes()
    (tmp_path / "short").write_bytes(whole[:-9])
    (tmp_path / "damaged").write_bytes(whole[:10] + b"\xff" * 9 + whole[19:])
    for name in ("plain", "short", "damaged", "missing"):
        with pytest.raises(ContractError, match="expected a GZIP TFRecord file"):
            list(read_records(tmp_path / name))
