"""Profiles: files of settings for a whole run, checked before anything starts (`profiles/schema.yaml`)."""

from collections.abc import Mapping
from typing import Any

import yaml

from crosscorpus.base import known_names, paths, ranges
from crosscorpus.training import run_parameters


class ProfileError(ValueError):
    """A profile that cannot be used; the message names the key, what is wrong and what is expected."""


def check(profile: Mapping[str, Any]) -> None:
    """Check a profile: its keys, the types of their values, and the names in them.

    Raises
    ------
    known_names.UnknownNameError
        A key, a corpus, a model, a head or a regime is not known; the message suggests the nearest.
    ProfileError
        A key is missing, or a value has the wrong type.
    run_parameters.ParameterError
        A value is not in its range; see `run_parameters.check_values`.
    ValueError
        The overrides cannot be read; see `protocol_settings.load`.
    """
    schema = yaml.safe_load((paths.ROOT / "profiles" / "schema.yaml").read_text(encoding="utf-8"))
    for key in profile:
        known_names.check(key, schema["properties"], "key of a profile")
    missing = [key for key in schema["required"] if key not in profile]
    if missing:
        raise ProfileError(f"the profile has no {', '.join(missing)}; see profiles/demo.yaml for an example")
    for error in ranges.Validator(schema).iter_errors(dict(profile)):
        where = ".".join(map(str, error.absolute_path)) or "the profile"
        raise ProfileError(f"{where} of the profile: {error.message}; profiles/schema.yaml says what it may be")
    run_parameters.check_values(profile)
