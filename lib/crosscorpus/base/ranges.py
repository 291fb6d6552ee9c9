"""What settings and parameters may be: ranges and choices, which stand as JSON Schema in data files."""

import math
from collections.abc import Mapping
from typing import Any

import jsonschema

WORDS = {
    "minimum": "{} or more",
    "exclusiveMinimum": "above {}",
    "maximum": "{} or less",
    "exclusiveMaximum": "below {}",
    "minItems": "{} or more of them",
    "maxItems": "{} or fewer of them",
    "pattern": "text that fits {}",
}
TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "boolean": "true or false",
}

# JSON Schema takes 2.0 for an integer; here it is none, as a seed or a count it is a slip.
Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, v: type(v) is int),
)


def wrong(value: Any, allowed: Mapping[str, Any]) -> str:
    """Say what is wrong with a value, and what is allowed; "" where nothing is.

    Parameters
    ----------
    allowed
        JSON Schema of the value, such as {minimum: 1}. Numbers that are not finite are never allowed.
    """
    if (twice := _twice(value)) is not None and allowed.get("uniqueItems"):
        return f"{twice!r} is there twice; name each once"
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, float) and not math.isfinite(one):
            return f"{one!r} is not allowed; allowed is {in_words(allowed.get('items', allowed))}"
    for error in Validator(allowed).iter_errors(value):
        return f"{error.instance!r} is not allowed; allowed is {in_words(error.schema)}"
    return ""


def in_words(allowed: Mapping[str, Any]) -> str:
    """Return a range in words: {type: integer, minimum: 1} is "a whole number, 1 or more"."""
    words = [TYPES[allowed["type"]]] if allowed.get("type") in TYPES else []
    words += [text.format(allowed[key]) for key, text in WORDS.items() if key in allowed]
    if "enum" in allowed:
        words.append("one of " + ", ".join(map(str, allowed["enum"])))
    if "items" in allowed and (inner := in_words(allowed["items"])):
        words.append(f"each {inner}")
    return ", ".join(words)


def _twice(value: Any) -> Any:
    if not isinstance(value, list):
        return None
    return next((one for i, one in enumerate(value) if one in value[:i]), None)
