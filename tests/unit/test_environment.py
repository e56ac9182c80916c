"""The settings that stand in a .env file, and the lines of it that cannot be read."""

import codecs
from pathlib import Path

import pytest

from rankspider.environment import Environment

SECRET = "s3cret-licence"


def written(folder: Path, data: str | bytes) -> Environment:
    file = folder / ".env"
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return Environment.beside(file)


@pytest.mark.parametrize(
    "line",
    [
        f"RANK_API_TOKENS={SECRET}",
        f"RANK_API_TOKENS = {SECRET}",
        f"export RANK_API_TOKENS={SECRET}",
        f'RANK_API_TOKENS="{SECRET}"',
        f"RANK_API_TOKENS='{SECRET}'  # ours",
        f"RANK_API_TOKENS={SECRET} # 许可",
        f"  RANK_API_TOKENS={SECRET}\r",
        f"# 许可\n\nRANK_API_TOKENS={SECRET}\n#end",
        "PART=licence\nRANK_API_TOKENS=s3cret-${PART}",
        "RANK_API_TOKENS=s3cret-${NO_SUCH_NAME:-licence}",
    ],
)
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_what_people_write(tmp_path: Path, line: str, mark: bytes) -> None:
    environment = written(tmp_path, mark + line.encode() + b"\n")
    assert environment.problems == ()
    assert environment.file["RANK_API_TOKENS"] == SECRET
    assert environment.origin("RANK_API_TOKENS") == ".env"


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (f"RANK_ARCHIVE=1\nRANK_API_TOKENS: {SECRET}\n", 2, "write NAME=value"),
        (f"\n\n# x\n\nRANK_API_TOKENS: {SECRET}\n", 5, "write NAME=value"),
        (f'RANK_API_TOKENS="{SECRET}\n', 1, "close every quote"),
        (f"RANK_API_TOKENS={SECRET}\n{SECRET}\n", 2, "write NAME=value"),
        (f"{SECRET}", 1, "write NAME=value"),
        (f"RANK_API_URL=http://${{{SECRET}}}:8321\n", 1, "not set above it"),
        (f"A=1\n# 许可\nRANK_API_TOKENS={SECRET}\n".encode("gbk"), 2, "not UTF-8 text"),
        (f"RANK_API_TOKENS={SECRET}\n".encode("utf-16"), 1, "UTF-16"),
        (f"RANK_API_TOKENS={SECRET}\n".encode("utf-16-le"), 1, "UTF-16"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(
    tmp_path: Path, data: str | bytes, line: int, reason: str
) -> None:
    (problem,) = written(tmp_path, data).problems
    assert problem.startswith(f"{tmp_path / '.env'}: line {line} ")
    assert reason in problem
    assert SECRET not in problem


def test_a_folder_of_that_name_is_no_file_of_settings(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert Environment.beside(tmp_path / ".env").problems == ()
