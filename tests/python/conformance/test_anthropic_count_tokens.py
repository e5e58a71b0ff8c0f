"""Token counts through Anthropic's client."""

import anthropic
import pytest
from scenes import BRIEFLY, QUESTION, WEATHER

CLIENT = "Anthropic: count_tokens"

TOOL = {
    "name": WEATHER["name"],
    "description": WEATHER["description"],
    "input_schema": WEATHER["schema"],
}


def count(client, kind, **more):
    request = {"model": kind.model, "messages": [{"role": "user", "content": QUESTION}]} | more
    return client.messages.count_tokens(**request).input_tokens


def test_counts(anthropic_client, kind):
    """a prompt is counted"""
    assert count(anthropic_client, kind) > 0


def test_counts_everything(anthropic_client, kind):
    """system prompt and tools count"""
    bare = count(anthropic_client, kind)
    assert count(anthropic_client, kind, system=BRIEFLY) > bare
    assert count(anthropic_client, kind, tools=[TOOL]) >= bare


def test_generates_nothing(anthropic_client, kind):
    """nothing is generated for it"""
    count(anthropic_client, kind)
    if kind.simulator:
        assert all(record["output_tokens"] == 0 for record in kind.simulator.log())


def test_wrong_key(anthropic_client, kind):
    """wrong key"""
    with pytest.raises(anthropic.AuthenticationError):
        count(anthropic_client.with_options(api_key="sk-wrong"), kind)
