"""The JSON of packs: files that come in, and what became of each of their functions."""

from typing import Literal

from ninja import Field, Schema

from apps.functions.packs import MAX_FILES


class PackFileIn(Schema):
    name: str = Field(max_length=200, description="shown beside what is found in it")
    text: str


class PacksIn(Schema):
    files: list[PackFileIn] = Field(min_length=1, max_length=MAX_FILES)
    only_look: bool = Field(default=False, description="tell what would happen and keep nothing")


class PackLoadedOut(Schema):
    name: str
    file: str
    line: int
    change: Literal["new", "changed", "none"]
    version: int


class PackRefusedOut(Schema):
    name: str = Field(description="empty where a whole file could not be read")
    file: str
    line: int
    reason: str


class PackReportOut(Schema):
    loaded: list[PackLoadedOut]
    refused: list[PackRefusedOut]


class ShippedPackIn(Schema):
    only_look: bool = Field(default=False, description="tell what would happen and keep nothing")


class ShippedPackOut(Schema):
    name: str
    version: str
    description: str
    author: str
    license: str
    requires: list[str]
    functions: list[str]
