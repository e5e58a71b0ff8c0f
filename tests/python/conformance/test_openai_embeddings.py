"""Embeddings through OpenAI's client, which asks for base64 and decodes it unless told otherwise."""

import openai
import pytest
from cells import needs, refused

CLIENT = "OpenAI: embeddings"

TEXTS = ["what flows through the gate", "where does it go"]

no_embeddings = refused("anthropic", code="operation_unsupported", at=404, why="Anthropic has no embeddings")


def ask(client, kind, texts, **more):
    return client.embeddings.create(model=kind.embedding_model, input=texts, **more)


def billed(kind, answer):
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0
    if kind.simulator:
        assert answer.usage.prompt_tokens == kind.simulator.log()[-1]["prompt_tokens"]


@needs("embeddings")
@no_embeddings
def test_one(openai_client, kind):
    """one text, base64 on the wire"""
    answer = ask(openai_client, kind, TEXTS[0])
    assert len(answer.data) == 1 and answer.data[0].embedding
    billed(kind, answer)


@needs("embeddings")
@no_embeddings
def test_several(openai_client, kind):
    """several texts, each its own vector"""
    answer = ask(openai_client, kind, TEXTS)
    first, second = (item.embedding for item in answer.data)
    assert len(first) == len(second) and first != second
    billed(kind, answer)


@needs("embeddings")
@no_embeddings
def test_floats(openai_client, kind):
    """numbers on the wire, equal to base64's"""
    coded = ask(openai_client, kind, TEXTS[0]).data[0].embedding
    plain = ask(openai_client, kind, TEXTS[0], encoding_format="float").data[0].embedding
    assert plain == pytest.approx(coded, abs=1e-3)


def test_wrong_key(openai_client, kind):
    """wrong key"""
    with pytest.raises(openai.AuthenticationError) as raised:
        openai_client.with_options(api_key="sk-wrong").embeddings.create(model="any", input=TEXTS)
    assert raised.value.code == "invalid_key"
