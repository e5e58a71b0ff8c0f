"""Text completions through OpenAI's client."""

import openai
import pytest
from cells import needs, refused
from scenes import ENOUGH, FEW, QUESTION

CLIENT = "OpenAI: completions"

no_completions = refused(
    "mistral",
    "anthropic",
    code="operation_unsupported",
    at=404,
    why="Mistral and Anthropic have no text completions",
)


def ask(client, kind, **more):
    return client.completions.create(**{"model": kind.model, "prompt": QUESTION, "max_tokens": ENOUGH} | more)


@needs("completions")
@no_completions
def test_plain(openai_client, kind):
    """plain answer with its usage"""
    answer = ask(openai_client, kind)
    assert answer.object == "text_completion" and answer.choices[0].text
    kind.billed(answer._request_id, answer.usage.prompt_tokens, answer.usage.completion_tokens)


@needs("completions")
@no_completions
def test_stream(openai_client, kind):
    """stream with the same text, and usage when asked"""
    plain = ask(openai_client, kind, temperature=0)
    kind.rewind()
    options = {"include_usage": True}
    stream = ask(openai_client, kind, temperature=0, stream=True, stream_options=options)
    chunks = list(stream)
    text = "".join(choice.text for chunk in chunks for choice in chunk.choices)
    kind.same(plain.choices[0].text, text)
    (usage,) = [chunk.usage for chunk in chunks if chunk.usage]
    kind.billed(stream.response.headers["x-request-id"], usage.prompt_tokens, usage.completion_tokens)


@needs("completions")
@no_completions
def test_length(openai_client, kind):
    """finish reason `length`"""
    assert ask(openai_client, kind, max_tokens=FEW).choices[0].finish_reason == "length"


def test_wrong_key(openai_client, kind):
    """wrong key"""
    with pytest.raises(openai.AuthenticationError) as raised:
        ask(openai_client.with_options(api_key="sk-wrong"), kind)
    assert raised.value.code == "invalid_key"
