"""The code of the documentation pages runs, in order, and prints what the pages show."""

import pytest
from doc_blocks import ROOT, blocks, run_page

PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md") if "```python" in path.read_text())


@pytest.mark.parametrize("page", PAGES)
def test_page(page):
    assert run_page(f"docs/{page}") == sum(language == "text" for language, _ in blocks(f"docs/{page}"))


def test_pages_with_code_are_found():
    assert {"contract.md", "tour.md"} < set(PAGES)
