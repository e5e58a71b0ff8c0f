"""What is asked: prompts, tools and pictures that mean the same to a real model and to a simulated one.

A simulated model calls a tool when its last user message says "tool", and two of them when it says "tools".
"""

import base64
import json
import struct
import zlib

from pydantic import BaseModel

QUESTION = "what flows through the gate"
BRIEFLY = "answer in a few words"
IN_JSON = "answer with a JSON object that names what flows through the gate"
ASKS_FOR_A_RIVER = "name a river and its width in metres"
ASKS_FOR_ONE_TOOL = "use the tool to find the weather in Paris"
ASKS_FOR_TWO_TOOLS = "use the tools to find the weather in Paris and in Oslo, both at once"
# Longer than the window of any simulated model here.
TOO_LONG = "water " * 9_000
ENOUGH = 512
FEW = 3

WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city, now.",
    "schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
WEATHER_REPORT = json.dumps({"sky": "clear", "celsius": 21})

RIVER = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "width": {"type": "integer"}},
    "required": ["name", "width"],
    "additionalProperties": False,
}


class River(BaseModel):
    """The same, as the clients' own helpers want it."""

    name: str
    width: int


def is_river(text):
    river = json.loads(text)
    assert set(river) == {"name", "width"}, river
    assert isinstance(river["name"], str) and isinstance(river["width"], int), river


def names_a_city(arguments):
    """Arguments of a call, as JSON text or already parsed, that fit the tool's schema."""
    parsed = json.loads(arguments) if isinstance(arguments, str) else arguments
    assert set(parsed) == {"city"} and isinstance(parsed["city"], str), parsed


def _png(side, colour):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = (b"\0" + bytes(colour) * side) * side
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


PNG = base64.b64encode(_png(32, (200, 30, 30))).decode()
PNG_URL = f"data:image/png;base64,{PNG}"
