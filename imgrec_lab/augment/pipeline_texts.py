"""Albumentations transforms as text: for people to read, and as JSON to save and load."""

import inspect
import json
import warnings
from collections.abc import Sequence

from imgrec_lab.augment.quiet_albumentations import A, Transform, walk

_FORMAT, _VERSION = "imgrec_lab.augment.Pipeline", 1


def describe(transform: Transform, indent: str = "") -> str:
    """The transform as code, without the arguments that have their default values."""
    name = type(transform).__name__
    if isinstance(transform, A.BaseCompose):
        inner = "".join(
            f"{indent}    {describe(part, indent + '    ')},\n" for part in transform.transforms
        )
        own = [key for key in ("n", "replace", "channels") if hasattr(transform, key)]
        arguments = [f"{key}={getattr(transform, key)}" for key in [*own, "p"]]
        return f"{name}([\n{inner}{indent}], {', '.join(arguments)})"
    given = transform.get_transform_init_args()
    defaults = inspect.signature(type(transform)).parameters
    shown = [
        f"{key}={_shown(given[key])}"
        for key in defaults
        if key in given and key != "p" and not _same(given[key], defaults[key].default)
    ]
    return f"{name}({', '.join([*shown, f'p={transform.p}'])})"


def _same(value: object, default: object) -> bool:
    try:
        return bool(value == default)
    except ValueError:  # arrays
        return False


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple | list):
        return f"({', '.join(_shown(part) for part in value)})"
    return getattr(value, "__qualname__", None) or repr(value)


def to_json(transforms: Sequence[Transform], min_visibility: float) -> str:
    """One JSON object, which ``from_json`` reads.

    Raises:
        TypeError: if a transform holds what JSON cannot, such as a function or an array.
    """
    try:
        saved = {
            "format": _FORMAT,
            "version": _VERSION,
            "albumentations": A.__version__,
            "min_visibility": min_visibility,
            "transforms": [A.to_dict(transform)["transform"] for transform in transforms],
        }
        text = json.dumps(saved, indent=1)
        from_json(text)  # a Lambda can be written, but nothing can be made of what was written
    except (TypeError, ValueError, NotImplementedError) as error:
        raise TypeError(
            "to be saved, a pipeline must hold plain numbers, texts, tuples and dicts, no functions"
            f" or arrays; it has {', '.join(type(part).__name__ for part in walk(transforms))} "
            f"({error}). Build it in code where it is needed."
        ) from error
    return text


def from_json(text: str) -> tuple[list[Transform], float]:
    """The transforms and the ``min_visibility`` that ``to_json`` wrote.

    Raises:
        ValueError: if the text is something else, or of another format, or names what this
            albumentations does not have.
    """
    saved = _parsed(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # ignored arguments
            transforms = [A.from_dict({"transform": part}) for part in saved["transforms"]]
        return transforms, saved["min_visibility"]
    except (KeyError, TypeError, ValueError, UserWarning) as error:
        raise ValueError(
            "every transform of a saved pipeline must be one that this albumentations "
            f"({A.__version__}) has; the text was written with {saved.get('albumentations')}: "
            f"{type(error).__name__}: {error}. Build the pipeline in code and save it again."
        ) from error


def _parsed(text: str) -> dict:
    try:
        saved = json.loads(text)
    except ValueError as error:
        raise ValueError(
            f"a saved pipeline must be JSON; {error}. Write it with Pipeline.to_json."
        ) from None
    if not isinstance(saved, dict) or saved.get("format") != _FORMAT:
        found = saved.get("format") if isinstance(saved, dict) else type(saved).__name__
        raise ValueError(
            f"a saved pipeline must have the format {_FORMAT!r}; got {found!r}. "
            "Read a policy with augment.load_policy."
        )
    if saved.get("version") != _VERSION:
        raise ValueError(
            f"a saved pipeline must have version {_VERSION}; got {saved.get('version')!r}, written "
            "by another imgrec_lab: read it there, or build it anew."
        )
    return saved
