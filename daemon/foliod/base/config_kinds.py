"""What sections of the configuration are made of: the kinds of their values, and what all sections have in common."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

HIDDEN = "(hidden)"


def _absolute(path: Path) -> Path:
    if "\0" in os.fspath(path):
        msg = "holds a NUL character"
        raise ValueError(msg)
    return Path(os.path.abspath(os.path.expanduser(path)))


def _not_blank(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        msg = "is empty"
        raise ValueError(msg)
    return value


def _one_or_several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


AbsolutePath = Annotated[Path, BeforeValidator(_not_blank), AfterValidator(_absolute)]
"""`~` is the home folder; what is relative lies in the current folder."""
Texts = Annotated[tuple[str, ...], BeforeValidator(_one_or_several)]
"""A list; one text alone will do."""
Name = Annotated[str, BeforeValidator(_not_blank)]


class Section(BaseModel):
    """A part of the configuration: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
