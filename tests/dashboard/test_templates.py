"""House rules of the templates, and that every one of them compiles against what exists."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import get_template
from django.urls import get_resolver

from apps.dashboard.icons import icon_svg

ROOT = Path(settings.NODE_MODULES).parent
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = sorted((ROOT / "static" / "js").glob("*.js"))
LONGEST_TEMPLATE = 150
INLINE = re.compile(
    r"""<style|\sstyle\s*=|\son[a-z]+\s*=|\shx-on|\shx-vars|javascript:|<script(?![^>]*\ssrc=)|hx-[a-z]+="js:""", re.IGNORECASE
)
MARKUP_OR_TEXT_AS_CODE = re.compile(r"\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write")
ELSEWHERE = re.compile(r"""(?:src|href|action|url)\s*[=(]\s*["']?(?:https?:)?//""", re.IGNORECASE)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _all_matches(pattern: str) -> set[str]:
    return {match for template in TEMPLATES for match in re.findall(pattern, template.read_text("utf-8"))}


def _named_urls(resolver: object) -> set[str]:
    names: set[str] = set()
    for pattern in resolver.url_patterns:  # type: ignore[attr-defined]
        names |= _named_urls(pattern) if hasattr(pattern, "url_patterns") else {pattern.name}
    return names


def test_there_are_templates_to_look_at() -> None:
    assert len(TEMPLATES) > 50


@pytest.mark.parametrize("template", TEMPLATES, ids=_name)
def test_a_template_compiles(template: Path) -> None:
    get_template(str(template.relative_to(ROOT / "templates")))


@pytest.mark.parametrize("template", TEMPLATES, ids=_name)
def test_a_template_has_nothing_that_a_strict_policy_would_block(template: Path) -> None:
    text = template.read_text("utf-8")
    assert INLINE.findall(text) == []
    assert ELSEWHERE.findall(text) == []


@pytest.mark.parametrize("template", TEMPLATES, ids=_name)
def test_a_template_is_short(template: Path) -> None:
    assert len(template.read_text("utf-8").splitlines()) <= LONGEST_TEMPLATE


@pytest.mark.parametrize("template", TEMPLATES, ids=_name)
def test_a_template_never_marks_a_value_as_safe(template: Path) -> None:
    assert re.findall(r"\|\s*safe\b|autoescape off", template.read_text("utf-8")) == []


@pytest.mark.parametrize("template", [each for each in TEMPLATES if each.parent.name == "_components"], ids=_name)
def test_a_component_says_what_it_expects(template: Path) -> None:
    has_values = "{{" in template.read_text("utf-8")
    assert not has_values or re.search(r"\{#|\{% comment", template.read_text("utf-8"))


@pytest.mark.parametrize("script", SCRIPTS, ids=_name)
def test_a_script_runs_no_text_and_writes_no_markup(script: Path) -> None:
    assert MARKUP_OR_TEXT_AS_CODE.findall(script.read_text("utf-8")) == []


def test_every_icon_named_in_a_template_exists() -> None:
    for name in _all_matches(r"""(?:icon |icon_name=)"([a-z0-9-]+)\""""):
        assert icon_svg(name).startswith("<svg")


def test_every_static_file_named_in_a_template_exists() -> None:
    for path in _all_matches(r"""\{% static "([^"]+)" %\}"""):
        assert finders.find(path), path


def test_every_address_named_in_a_template_exists() -> None:
    known = _named_urls(get_resolver())
    assert _all_matches(r"""\{% url "([^"]+)\"""") - known == set()


def test_every_included_template_exists() -> None:
    for path in _all_matches(r"""\{% (?:include|extends) "([^"]+\.html)\""""):
        get_template(path)


def test_htmx_is_told_to_evaluate_nothing() -> None:
    base = (ROOT / "templates" / "base.html").read_text("utf-8")
    assert '"allowEval":false' in base
    assert '"includeIndicatorStyles":false' in base
    assert '"allowScriptTags":false' in base
