"""The settings page is current, and says something about every field's table."""

from __future__ import annotations

from docs.generate import settings as settings_docs


def test_the_page_is_current() -> None:
    assert settings_docs.PAGE.read_text("utf-8") == settings_docs.page(), "run `python -m docs.generate.settings`"
