"""The example of the README runs and prints what the README shows."""

import re

from doc_blocks import ROOT, assert_same_text, blocks, run_page


def test_the_example_prints_what_is_shown():
    assert run_page("README.md") == 1


def test_the_example_is_short():
    (code,) = [text for language, text in blocks("README.md") if language == "python"]
    assert len(code.strip().splitlines()) <= 15


def test_the_commands_exist():
    (commands,) = [text for language, text in blocks("README.md") if language == "sh"]
    targets = re.findall(r"^make (\S+)", commands, re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    assert targets == ["demo", "test"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_linked_files_exist():
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_a_wrong_number_would_be_seen():
    assert_same_text("a 0.51 nats", "a   0.51 nats")
    for wrong in ("a 0.53 nats", "a nan nats", "b 0.51 nats"):
        try:
            assert_same_text(wrong, "a 0.51 nats")
        except AssertionError:
            continue
        raise AssertionError(wrong)
