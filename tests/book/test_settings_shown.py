"""Tables of settings as pages show them, number by number against the data files."""

import re

import pytest
import yaml
from bs4 import BeautifulSoup

from crosscorpus.base import paths
from crosscorpus.book import tables
from crosscorpus.protocols import protocol_settings
from crosscorpus.training import baselines
from crosscorpus.verdict import open_choices


def rendered(table):
    page = BeautifulSoup(tables.show(table, most=10_000).data, "html.parser")
    head = [cell.get_text(strip=True) for cell in page.select("thead th")]
    return [
        dict(zip(head, (cell.get_text(strip=True) for cell in row.select("td")), strict=True))
        for row in page.select("tbody tr")
    ]


def as_written(name):
    """The value of a setting as the file has it, letter by letter; a list without its brackets."""
    text = (paths.DATA / "protocol.yaml").read_text(encoding="utf-8")
    value = re.search(rf"^{name}:\n  value: (.+?)(?: #.*)?$", text, re.MULTILINE).group(1)
    return value.strip("[]")


@pytest.mark.parametrize("setting", list(protocol_settings.load()))
def test_a_setting_is_shown_as_it_is_written(setting):
    shown = {row["setting"]: row["value"] for row in rendered(protocol_settings.table())}
    assert shown[setting] == as_written(setting)


@pytest.mark.parametrize("text", ["0.00025", "1e-05", "0.1234567891"])
def test_no_digit_of_an_overridden_setting_is_lost(text):
    shown = {row["setting"]: row["value"] for row in rendered(protocol_settings.table(f"learning_rate={text}"))}
    assert shown["learning_rate"] == text


def test_numbers_of_baselines_are_those_of_the_settings():
    shown = " ".join(row["what"] for row in rendered(baselines.describe(protocol_settings.load())))
    assert re.findall(r"C = (\S+)", shown) == [as_written("logistic_c"), as_written("svm_c")]


def test_numbers_of_open_choices_are_those_of_the_register():
    register = yaml.safe_load((paths.DATA / "ambiguities.yaml").read_text(encoding="utf-8"))["choices"]
    ways = {(row["choice"], row["option"]): row["how"] for row in rendered(open_choices.options())}
    seen = 0
    for choice, entry in register.items():
        for option, given in entry["options"].items():
            for name, value in given.get("run", {}).get("overrides", {}).items():
                text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
                assert f"{name}={text}" in ways[choice, str(option)]
                seen += 1
    assert seen > 10
