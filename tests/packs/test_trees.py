"""What comes as a pack is hostile: names that lead out of it, links, bombs, other alphabets. Nothing of those is kept."""

import io
import stat
import zipfile

import pytest

from apps.core.errors import DomainError
from apps.packs.manifest import BadManifest, read_manifest
from apps.packs.trees import MOST_BYTES, MOST_FILES, BadPack, PackTooLarge, read_tree, write_zip

FUNCTION = b"@selfsmith.register_function()\ndef f() -> int:\n    return 1\n"


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> list[tuple[str, bytes]]:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return [("some.zip", target.getvalue())]


def link(name: str, to: bytes) -> tuple[zipfile.ZipInfo, bytes]:
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return entry, to


@pytest.mark.parametrize(
    "name",
    [
        "../a.py",
        "a/../../b.py",
        "/etc/a.py",
        "a/./b.py",
        "a//b.py",
        "C:/a.py",
        "..\\a.py",
        "a\\b.py",
        " a.py",
        "a\n.py",
        "x" * 250,
    ],
)
def test_a_name_that_leads_out_of_the_pack_is_refused(name: str) -> None:
    with pytest.raises(BadPack, match="no name for a file of a pack"):
        read_tree(zipped((name, FUNCTION), ("b.py", FUNCTION)))
    with pytest.raises(BadPack, match="no name for a file of a pack"):
        read_tree([(name, FUNCTION), ("b.py", FUNCTION)])


def test_links_are_refused() -> None:
    with pytest.raises(BadPack, match="is a link"):
        read_tree(zipped(link("a.py", b"/etc/passwd"), ("b.py", FUNCTION)))


def test_names_that_are_one_on_some_disks_are_refused() -> None:
    with pytest.raises(BadPack, match="one file on some disks"):
        read_tree(zipped(("Words.py", FUNCTION), ("words.py", FUNCTION)))
    with pytest.raises(BadPack, match="one file on some disks"):
        read_tree([("a.py", FUNCTION), ("a.py", FUNCTION)])


def test_a_bomb_is_refused_when_it_is_too_large_and_not_after() -> None:
    with pytest.raises(PackTooLarge, match="Together"):
        read_tree(zipped(*((f"{n}.txt", b"\x00" * 1024 * 1024) for n in range(MOST_BYTES // 1024**2 + 1))))
    with pytest.raises(PackTooLarge, match=f"may have {MOST_FILES} files"):
        read_tree(zipped(*((f"{n}.py", b"") for n in range(MOST_FILES + 1))))
    with pytest.raises(PackTooLarge, match="larger than 1 MiB"):
        read_tree([("a.zip", b"PK\x03\x04" + bytes(1024 * 1024))])
    with pytest.raises(PackTooLarge, match="larger than 256 KiB"):
        read_tree([("a.py", b"#" * 300_000)])


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([("a.py", b"\xff\xfe")], "is no text in UTF-8"),
        ([("a.zip", b"PK\x03\x04 and no more")], "cannot be read"),
        (zipped(("a.py", FUNCTION), method=zipfile.ZIP_LZMA), "packed in an unusual way"),
        (zipped(("README.md", b"hello")), "no Python file"),
        ([*zipped(("a.py", FUNCTION)), ("b.py", FUNCTION)], "one zip alone"),
    ],
)
def test_what_is_no_pack_is_said(files, words: str) -> None:
    with pytest.raises(BadPack, match=words):
        read_tree(files)


def test_a_zip_whose_sizes_lie_gives_no_more_than_they_say() -> None:
    (name, content), *_ = zipped(("a.py", FUNCTION * 1000))
    lying = content.replace((len(FUNCTION) * 1000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lying != content
    with pytest.raises(BadPack, match="cannot be read"):
        read_tree([(name, lying)])


def test_a_folder_around_everything_and_what_is_no_python_are_left_out() -> None:
    tree = read_tree(
        zipped(
            ("tools/pack.toml", b'[pack]\nname = "t"\n'),
            ("tools/a.py", FUNCTION),
            ("tools/README.md", b"x"),
            ("tools/.git/x.py", b"x"),
        )
    )
    assert sorted(tree.files) == ["a.py", "pack.toml"]
    assert tree.left_out == ("README.md",)
    assert tree.manifest is not None
    assert tree.manifest.name == "t"


def test_a_zip_that_was_written_depends_on_its_files_alone_and_is_read_as_it_was() -> None:
    files = {"pack.toml": '[pack]\nname = "t"\n', "b.py": "b = 1\r\n", "a.py": "ä = 1\n"}
    written = write_zip(files)
    assert written == write_zip(dict(reversed(files.items())))
    assert dict(read_tree([("t.zip", written)]).files) == files


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = ", "no TOML"),
        ("x = " + "[" * 20_000, "no TOML|nested too deeply"),
        ("", r"needs a table \[pack\]"),
        ("pack = 1", r"needs a table \[pack\]"),
        ("[pack]\nname = 1", "name in pack.toml must be a text"),
        ("[pack]\n", "needs a name"),
        ('[pack]\nname = "../x"', "needs a name"),
        ('[pack]\nname = "x"\ncolour = "red"', "knows no colour"),
        ('[pack]\nname = "x"\nrequires = "y"', "requires in pack.toml must be a list"),
        ('[pack]\nname = "x"\nversion = "a\\u0000"', "cannot be stored"),
        ('[packs]\nname = "x"', "knows no table packs"),
        ('[pack]\nname = "x"\n[functions]\nf = 1', r"needs a table \[functions.f\]"),
        ('[pack]\nname = "x"\n[functions.f]\nsecrets = "K"', "secrets of .* must be a list"),
        ('[pack]\nname = "x"\n[functions.f]\nisolation = "none"', "must be one of run, function"),
        ('[pack]\nname = "x"\n[functions.f]\nlimits = 3', "not of the type"),
        ('[pack]\nname = "x"\n[functions.f]\npins = {g = "two"}', "a version's number"),
        ('[pack]\nname = "x"\n[functions.f]\nlimits = {at = 2020-01-01}', "cannot be stored"),
        ('rules = 1\n[pack]\nname = "x"', "must be a list of tables"),
        ('[pack]\nname = "x"\n[[rules]]\nname = "r"', "says no event_type"),
        ('[pack]\nname = "x"\n[[rules]]\nname = "r"\nevent_type = "a.b"\ntarget = "f"\nis_active = 1', "must be a bool"),
        ('[pack]\nname = "x"\n[[rules]]\nname = "r"\nevent_type = "a.b"\ntarget = "f"\narguments = {a = 1}', "expressions"),
    ],
)
def test_a_manifest_that_says_what_it_may_not_is_refused_with_the_place(text: str, words: str) -> None:
    with pytest.raises(BadManifest, match=words):
        read_manifest(text)


def test_no_bytes_make_the_reader_fail_in_another_way() -> None:
    sound = write_zip({"a.py": FUNCTION.decode(), "pack.toml": '[pack]\nname = "t"\n'})
    for place in range(len(sound)):
        broken = sound[:place] + bytes([sound[place] ^ 0xFF]) + sound[place + 1 :]
        try:
            read_tree([("a.zip", broken)])
        except DomainError:
            continue
