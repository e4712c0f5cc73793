"""The pack `files` in real boxes."""

import io
import json
import zipfile

import pytest

pytestmark = pytest.mark.gvisor
CSV = b'name;age\nAda;36\n"Bob; the builder";41\n'


@pytest.fixture(autouse=True)
def _loaded(load) -> None:
    load("files")


def zipped(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def test_given_files_are_listed_read_searched_and_summed_up(result) -> None:
    files = {"a.txt": b"one\nTwo apples\n", "b.txt": "drei Äpfel".encode("latin-1")}
    assert result("list_files", files) == [{"name": "a.txt", "size": 15}, {"name": "b.txt", "size": 10}]
    assert result("read_text", files, name="a.txt", start=4, length=3) == "Two"
    assert result("read_text", files, name="b.txt", encoding="latin-1") == "drei Äpfel"
    assert result("search_files", files, pattern="APPLES") == [{"file": "a.txt", "line": 2, "text": "Two apples"}]
    by_expression = result("search_files", files, pattern="^(one|drei)", names=["a.txt"], is_regex=True)
    assert by_expression == [{"file": "a.txt", "line": 1, "text": "one"}]
    digest = "1f3870be274f6c49b3e31a0c6728957f"
    assert result("file_digest", {"c": b"apple"}, name="c", algorithm="md5") == digest


def test_what_cannot_be_read_is_said(run) -> None:
    wrong = run("read_text", {"b.txt": b"\xff\xfe\xfa"}, name="b.txt")
    assert "say its encoding" in wrong.error["message"]
    missing = run("read_text", {"b.txt": b"x"}, name="c.txt")
    assert "There are: b.txt" in missing.error["message"]


def test_csv_is_read_by_its_first_line_and_written(result, run, kept) -> None:
    rows = result("read_csv", {"p.csv": CSV}, name="p.csv")
    assert rows == [{"name": "Ada", "age": "36"}, {"name": "Bob; the builder", "age": "41"}]
    done = run("write_csv", name="out.csv", rows=[{"a": 1}, {"b": "x,y", "a": 2}])
    assert (done.result, kept(done)) == ("out.csv", {"out.csv": b'a,b\n1,\n2,"x,y"\n'})


def test_json_is_read_by_a_path_and_written(result, run, kept) -> None:
    data = {"o.json": json.dumps({"orders": [{"total": 3}]}).encode()}
    assert result("read_json", data, name="o.json", path="orders.0.total") == 3
    assert "There is no 'x' on the way" in run("read_json", data, name="o.json", path="orders.x").error["message"]
    done = run("write_json", name="deep/out.json", value={"ä": [1]})
    assert json.loads(kept(done)["deep/out.json"]) == {"ä": [1]}
    assert kept(run("write_text", name="n.txt", text="hé")) == {"n.txt": "hé".encode()}


def test_zip_files_are_listed_packed_and_unpacked(result, run, kept) -> None:
    given = {"z.zip": zipped(**{"a.txt": b"1", "d/b.txt": b"22"})}
    assert result("list_zip", given, name="z.zip") == [{"name": "a.txt", "size": 1}, {"name": "d/b.txt", "size": 2}]
    assert kept(run("unzip", given, name="z.zip")) == {"a.txt": b"1", "d/b.txt": b"22"}
    assert kept(run("unzip", given, name="z.zip", names=["a.txt"])) == {"a.txt": b"1"}
    packed = kept(run("zip_files", {"x": b"5", "y": b"6"}, name="out.zip"))["out.zip"]
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"x": b"5", "y": b"6"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (zipped(**{"../out.txt": b"1"}), "leads out of the folder"),
        (zipped(**{"/etc/x": b"1"}), "leads out of the folder"),
        (zipped(a=b"0" * (51 << 20)), "more than 50 MiB"),
        (zipped(**{str(n): b"" for n in range(501)}), "holds 501 files"),
    ],
    ids=["parent", "root", "bomb", "many"],
)
def test_a_zip_file_that_does_harm_is_refused_before_anything_is_kept(run, kept, data: bytes, words: str) -> None:
    done = run("unzip", {"z.zip": data}, name="z.zip")
    assert (done.state, kept(done)) == ("failed", {})
    assert words in done.error["message"]
