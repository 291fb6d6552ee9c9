"""Long files of YAML, read quickly and without what could execute."""

from typing import Any

import yaml


def read(text: str) -> Any:
    """Return what a text of YAML holds, as `yaml.safe_load` does, by libyaml where it was built."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
