"""The packs of the `babyagi` wheel, as they are."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from apps.core.tenancy import scope
from apps.functions.models import Function
from apps.functions.packs import PackFile, load_packs
from apps.vault.services import set_secret

pytestmark = pytest.mark.network

RELEASE = "babyagi==0.1.4"
BROKEN = "drafts/user_db.py"  # ends in a syntax error
SECRETS = (
    "OPENAI_API_KEY", "airtable_access_token", "augie_api_key", "e2b_api_key", "firecrawl_api_key", "harmonic_api_key",
    "openai_api_key", "payman_api_key", "payman_test_api_key", "serpapi_api_key", "voilanorbert_api_key",
    "wokelo_password", "wokelo_username",
)  # fmt: skip

NOT_LOADED = "It needs {}, which could not be loaded."
REFUSED = {
    # Names a module that it never imports.
    ("plugins/serpapi.py", "serpapi_search_v2"): (
        "Line 63: “requests” is neither defined in the source nor a function of this workspace."
    ),
    ("drafts/generate_function.py", "handle_api_documentation"): NOT_LOADED.format("serpapi_search_v2"),
    ("drafts/generate_function.py", "generate_function_from_description"): NOT_LOADED.format("handle_api_documentation"),
    ("drafts/choose_or_create_function.py", "choose_or_create_function"): NOT_LOADED.format("generate_function_from_description"),
    ("drafts/self_build2.py", "generate_and_process_queries"): NOT_LOADED.format("choose_or_create_function"),
    ("drafts/generate_own_function.py", "generate_function_from_description"): (
        "There is one of this name in drafts/generate_function.py already. Load one of the files alone."
    ),
    (BROKEN, ""): "Syntax error: invalid syntax.",
}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("babyagi")
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "pip", "install", "--quiet", "--no-deps", "--target", folder, RELEASE], check=True, timeout=120)
    return folder / "babyagi" / "functionz" / "packs"


def test_every_function_of_babyagi_s_packs_is_loaded_or_refused_with_its_place(cast, wheel) -> None:
    files = [PackFile(str(path.relative_to(wheel)), path.read_text()) for path in sorted(wheel.rglob("*.py"))]
    with scope(cast.acme.pk):
        for name in SECRETS:
            set_secret(actor=cast.admin, name=name, value="correct-horse")
        report = load_packs(actor=cast.developer, files=files)
        stored = set(Function.objects.values_list("name", flat=True))
    assert stored == {each.name for each in report.loaded}
    readable = "".join(file.text for file in files if file.name != BROKEN)
    defined = len(re.findall(r"^@\w+\.register_function", readable, re.MULTILINE))
    assert {(each.file, each.name): each.reason for each in report.refused} == REFUSED
    assert len(report.loaded) + sum(bool(each.name) for each in report.refused) == defined
    assert all(each.line and each.reason for each in report.refused)
