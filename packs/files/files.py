"""The files of a run: those that it was given lie in its inputs, those that it writes are kept when it ends."""

import csv
import hashlib
import io
import json
import re
import zipfile
from pathlib import PurePosixPath

import func

import selfsmith

MOST_UNPACKED = 50 * 1024 * 1024
MOST_IN_ZIP = 500


def _text(name: str, encoding: str) -> str:
    data = func.read_input(name)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"{name!r} is no text in {encoding}: say its encoding, such as latin-1.") from error


def _keep(name: str, data: bytes | str) -> str:
    func.save_artifact(name, data)
    return name


@selfsmith.register_function(metadata={"description": "The files that this run was given, with sizes.", "tags": ["files"]})
def list_files() -> list[dict]:
    """The files that this run was given, by name, with their sizes in bytes."""
    return [{"name": path.name, "size": path.stat().st_size} for path in sorted(func.inputs.iterdir()) if path.is_file()]


@selfsmith.register_function(metadata={"description": "The text of a given file, or a part of it.", "tags": ["files"]})
def read_text(name: str, start: int = 0, length: int = 100_000, encoding: str = "utf-8") -> str:
    """The text of a given file, or a part of it.

    Args:
        name: the file's name.
        start: how many characters to skip.
        length: how many characters to give, at most.
        encoding: how the text is written as bytes.
    """
    return _text(name, encoding)[start : start + length]


@selfsmith.register_function(metadata={"description": "Lines of the given files that match a pattern.", "tags": ["files"]})
def search_files(pattern: str, names: list[str] | None = None, *, is_regex: bool = False, limit: int = 200) -> list[dict]:
    """Lines of the given files that hold a text or match a regular expression, whatever their case.

    Files that are no text in UTF-8 are searched as far as they can be read.

    Args:
        pattern: what to look for.
        names: only in these files.
        is_regex: whether the pattern is a regular expression.
        limit: how many lines at most.
    """
    looked_for = re.compile(pattern if is_regex else re.escape(pattern), re.IGNORECASE)
    found: list[dict] = []
    for path in sorted(func.inputs.iterdir()):
        if not path.is_file() or (names is not None and path.name not in names):
            continue
        with path.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                if looked_for.search(line):
                    found.append({"file": path.name, "line": number, "text": line.rstrip("\n")[:500]})
                    if len(found) == limit:
                        return found
    return found


@selfsmith.register_function(metadata={"description": "Write a text file that is kept after the run.", "tags": ["files"]})
def write_text(name: str, text: str) -> str:
    """Write a text file that is kept after the run. Gives its name.

    Args:
        name: the file's name; folders in it are made.
        text: what to write, in UTF-8.
    """
    return _keep(name, text)


@selfsmith.register_function(metadata={"description": "The rows of a CSV file by their column names.", "tags": ["files", "csv"]})
def read_csv(name: str, separator: str = "", encoding: str = "utf-8-sig") -> list[dict]:
    """The rows of a given CSV file as objects, by the names of its first line. Values stay texts.

    Args:
        name: the file's name.
        separator: what stands between values; found out where it is left out.
        encoding: how the text is written as bytes.
    """
    text = _text(name, encoding)
    first = text.partition("\n")[0]
    separator = separator or max(",;\t|", key=first.count)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, restkey="_more", strict=True)
    return [dict(row) for row in rows]


@selfsmith.register_function(metadata={"description": "Write objects as a CSV file that is kept.", "tags": ["files", "csv"]})
def write_csv(name: str, rows: list[dict], separator: str = ",") -> str:
    """Write objects as the rows of a CSV file that is kept after the run. Gives its name.

    Args:
        name: the file's name.
        rows: the rows; their keys, in the order in which they first appear, are the columns.
        separator: what stands between values.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, columns, delimiter=separator, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return _keep(name, written.getvalue())


@selfsmith.register_function(metadata={"description": "The value of a given JSON file.", "tags": ["files", "json"]})
def read_json(name: str, path: str = "") -> object:
    """The value of a given JSON file, or a part of it.

    Args:
        name: the file's name.
        path: where the part lies, such as orders.0.total.
    """
    value = json.loads(_text(name, "utf-8-sig"))
    for step in path.split(".") if path else []:
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise LookupError(f"There is no {step!r} on the way {path!r} in {name!r}.") from error
    return value


@selfsmith.register_function(metadata={"description": "Write a value as a JSON file that is kept.", "tags": ["files", "json"]})
def write_json(name: str, value: object) -> str:
    """Write a value as a JSON file that is kept after the run. Gives its name.

    Args:
        name: the file's name.
        value: what to write.
    """
    return _keep(name, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


@selfsmith.register_function(metadata={"description": "What lies in a given ZIP file.", "tags": ["files", "zip"]})
def list_zip(name: str) -> list[dict]:
    """What lies in a given ZIP file: names and unpacked sizes in bytes, as the file itself says.

    Args:
        name: the file's name.
    """
    with zipfile.ZipFile(io.BytesIO(func.read_input(name))) as archive:
        return [{"name": each.filename, "size": each.file_size} for each in archive.infolist() if not each.is_dir()]


@selfsmith.register_function(
    metadata={"description": "Unpack a given ZIP file into files that are kept.", "tags": ["files", "zip"]}
)
def unzip(name: str, names: list[str] | None = None) -> list[str]:
    """Unpack a given ZIP file, or some of it, into files that are kept after the run. Gives their names.

    Names that lead out of the folder, more than 500 files and more than 50 MiB are refused before anything is kept.

    Args:
        name: the ZIP file's name.
        names: only these of the files in it.
    """
    with zipfile.ZipFile(io.BytesIO(func.read_input(name))) as archive:
        chosen = [each for each in archive.infolist() if not each.is_dir() and (names is None or each.filename in names)]
        if len(chosen) > MOST_IN_ZIP:
            raise ValueError(f"{name!r} holds {len(chosen)} files; say which {MOST_IN_ZIP} of them at most: names=[…].")
        left = MOST_UNPACKED
        unpacked = []
        for each in chosen:
            path = PurePosixPath(each.filename.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"{each.filename!r} leads out of the folder. Nothing was unpacked.")
            with archive.open(each) as file:  # what a file says of its size is not believed
                data = file.read(left + 1)
            left -= len(data)
            if left < 0:
                raise ValueError(f"{name!r} unpacks to more than {MOST_UNPACKED >> 20} MiB. Nothing was unpacked.")
            unpacked.append((str(path), data))
    return [_keep(path, data) for path, data in unpacked]


@selfsmith.register_function(metadata={"description": "Pack given files into a ZIP file that is kept.", "tags": ["files", "zip"]})
def zip_files(name: str, names: list[str] | None = None) -> str:
    """Pack files that this run was given into a ZIP file that is kept after the run. Gives its name.

    Args:
        name: the ZIP file's name.
        names: which files; all where it is left out.
    """
    chosen = sorted(path.name for path in func.inputs.iterdir()) if names is None else names
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in chosen:
            archive.writestr(each, func.read_input(each))
    return _keep(name, packed.getvalue())


@selfsmith.register_function(metadata={"description": "The checksum of a given file.", "tags": ["files"]})
def file_digest(name: str, algorithm: str = "sha256") -> str:
    """The checksum of a given file, in hexadecimal digits.

    Args:
        name: the file's name.
        algorithm: sha256, sha512, sha1, md5 or another that Python's hashlib has everywhere.
    """
    if algorithm not in hashlib.algorithms_guaranteed or algorithm.startswith("shake"):
        raise ValueError(f"There is no checksum {algorithm!r}. Take sha256.")
    return hashlib.new(algorithm, func.read_input(name)).hexdigest()
