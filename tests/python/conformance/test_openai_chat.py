"""Chat completions through OpenAI's client."""

import asyncio

import openai
import pytest
from cells import is_context_length, needs, refused, simulated
from scenes import (
    ASKS_FOR_A_RIVER,
    ASKS_FOR_ONE_TOOL,
    ASKS_FOR_TWO_TOOLS,
    BRIEFLY,
    ENOUGH,
    FEW,
    IN_JSON,
    PNG_URL,
    QUESTION,
    RIVER,
    TOO_LONG,
    WEATHER,
    WEATHER_REPORT,
    River,
    is_river,
    names_a_city,
)

CLIENT = "OpenAI: chat completions"

TOOL = {
    "type": "function",
    "function": {
        "name": WEATHER["name"],
        "description": WEATHER["description"],
        "parameters": WEATHER["schema"],
    },
}
NAMED = {"type": "function", "function": {"name": WEATHER["name"]}}
RIVER_FORMAT = {"type": "json_schema", "json_schema": {"name": "river", "strict": True, "schema": RIVER}}


def said(content):
    return [{"role": "user", "content": content}]


def ask(client, kind, content=QUESTION, **more):
    request = {"model": kind.model, "messages": said(content), "max_tokens": ENOUGH} | more
    return client.chat.completions.create(**request)


class Heard:
    """A stream read to its end, put together as the API's reference says."""

    def __init__(self, stream):
        self.text, self.finish, self.usage, self.calls = "", None, [], {}
        self.request_id = stream.response.headers["x-request-id"]
        for chunk in stream:
            if chunk.usage:
                self.usage.append(chunk.usage)
            for choice in chunk.choices:
                self.text += choice.delta.content or ""
                self.finish = choice.finish_reason or self.finish
                for call in choice.delta.tool_calls or ():
                    self._call(call)

    def _call(self, delta):
        call = self.calls.setdefault(delta.index, {"id": None, "name": None, "arguments": ""})
        call["id"] = call["id"] or delta.id
        call["name"] = call["name"] or delta.function.name
        call["arguments"] += delta.function.arguments or ""


def billed(kind, answer):
    kind.billed(answer._request_id, answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_plain(openai_client, kind):
    """plain answer with its usage"""
    answer = ask(openai_client, kind)
    assert answer.object == "chat.completion" and answer.id
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content.strip()
    kind.ended(answer.choices[0].finish_reason, "stop", "length")
    billed(kind, answer)


def test_stream(openai_client, kind):
    """stream with the same text"""
    plain = ask(openai_client, kind, temperature=0)
    kind.rewind()
    heard = Heard(ask(openai_client, kind, temperature=0, stream=True))
    kind.same(plain.choices[0].message.content, heard.text)
    kind.ended(heard.finish, "stop", "length")


def test_stream_usage(openai_client, kind):
    """usage in the stream when asked, once"""
    heard = Heard(ask(openai_client, kind, stream=True, stream_options={"include_usage": True}))
    (usage,) = heard.usage
    kind.billed(heard.request_id, usage.prompt_tokens, usage.completion_tokens)


def test_stream_without_usage(openai_client, kind):
    """no usage in the stream when not asked"""
    assert Heard(ask(openai_client, kind, stream=True)).usage == []


def test_async_stream(kind):
    """the asynchronous client's stream"""

    async def listen():
        async with openai.AsyncOpenAI(
            base_url=f"{kind.gateway}/v1", api_key=kind.key, max_retries=0
        ) as client:
            stream = await client.chat.completions.create(
                model=kind.model, messages=said(QUESTION), max_tokens=ENOUGH, stream=True
            )
            return [chunk async for chunk in stream]

    chunks = asyncio.run(listen())
    kind.ended(chunks[-1].choices[0].finish_reason, "stop", "length")


def test_conversation(openai_client, kind):
    """system prompt and earlier turns"""
    turns = [
        {"role": "system", "content": BRIEFLY},
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": "water"},
        {"role": "user", "content": "and where does it go"},
    ]
    billed(kind, ask(openai_client, kind, messages=turns))


def test_developer_prompt(openai_client, kind):
    """developer prompt"""
    turns = [{"role": "developer", "content": BRIEFLY}, *said(QUESTION)]
    billed(kind, ask(openai_client, kind, messages=turns))


def test_length(openai_client, kind):
    """finish reason `length`"""
    answer = ask(openai_client, kind, max_tokens=FEW)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens <= FEW


def test_max_completion_tokens(openai_client, kind):
    """`max_completion_tokens`"""
    answer = openai_client.chat.completions.create(
        model=kind.model, messages=said(QUESTION), max_completion_tokens=FEW
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens <= FEW


@needs("turns")
def test_stop(openai_client, kind):
    """stop sequence"""
    request, word = "repeat: alpha beta gamma delta", "gamma"
    if kind.simulator:
        word = ask(openai_client, kind, request).choices[0].message.content.split()[3]
        kind.rewind()
    answer = ask(openai_client, kind, request, stop=[word])
    assert word not in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"


@needs("sampling")
def test_temperature(openai_client, kind):
    """temperature and `top_p`"""
    billed(kind, ask(openai_client, kind, temperature=0.5))
    billed(kind, ask(openai_client, kind, top_p=0.9))


@needs("sampling")
@refused("anthropic", code="untranslatable", why="Anthropic's temperature ends at 1, OpenAI's at 2")
def test_high_temperature(openai_client, kind):
    """temperature over 1"""
    billed(kind, ask(openai_client, kind, temperature=1.5))


@needs("tools")
@pytest.mark.parametrize("choice", ["auto", "required", NAMED], ids=["auto", "required", "named"])
def test_tool_call(openai_client, kind, choice):
    """tool call: chosen by the model, required, named"""
    answer = ask(openai_client, kind, ASKS_FOR_ONE_TOOL, tools=[TOOL], tool_choice=choice)
    (call,) = answer.choices[0].message.tool_calls
    assert call.id and call.function.name == WEATHER["name"]
    names_a_city(call.function.arguments)
    if choice != NAMED:
        assert answer.choices[0].finish_reason == "tool_calls"


@needs("tools")
def test_tools_unused(openai_client, kind):
    """tools that must not be called"""
    answer = ask(openai_client, kind, ASKS_FOR_ONE_TOOL, tools=[TOOL], tool_choice="none")
    assert not answer.choices[0].message.tool_calls
    assert answer.choices[0].message.content


@needs("tools")
def test_parallel_tool_calls(openai_client, kind):
    """parallel tool calls"""
    calls = ask(openai_client, kind, ASKS_FOR_TWO_TOOLS, tools=[TOOL]).choices[0].message.tool_calls
    assert len({call.id for call in calls}) == len(calls) == 2
    for call in calls:
        names_a_city(call.function.arguments)


@needs("tools")
def test_no_parallel_tool_calls(openai_client, kind):
    """parallel tool calls forbidden"""
    answer = ask(openai_client, kind, ASKS_FOR_TWO_TOOLS, tools=[TOOL], parallel_tool_calls=False)
    assert len(answer.choices[0].message.tool_calls) == 1


@needs("tools")
def test_streamed_tool_calls(openai_client, kind):
    """tool calls in a stream, in pieces"""
    stream = ask(openai_client, kind, ASKS_FOR_TWO_TOOLS, tools=[TOOL], stream=True)
    heard = Heard(stream)
    assert heard.finish == "tool_calls" and list(heard.calls) == [0, 1]
    for call in heard.calls.values():
        assert call["id"] and call["name"] == WEATHER["name"]
        names_a_city(call["arguments"])


@needs("tools")
def test_tool_results(openai_client, kind):
    """results of several tool calls in the next turn"""
    first = ask(openai_client, kind, ASKS_FOR_TWO_TOOLS, tools=[TOOL]).choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": WEATHER_REPORT} for call in first.tool_calls
    ]
    turns = [*said(ASKS_FOR_TWO_TOOLS), first.model_dump(exclude_none=True), *results]
    answer = ask(openai_client, kind, messages=turns, tools=[TOOL], tool_choice="none")
    assert answer.choices[0].message.content and answer.choices[0].finish_reason == "stop"
    billed(kind, answer)


@needs("json")
@refused("anthropic", code="untranslatable", why="Anthropic has no JSON mode without a schema")
def test_json_mode(openai_client, kind):
    """JSON mode"""
    answer = ask(openai_client, kind, IN_JSON, response_format={"type": "json_object"})
    assert answer.choices[0].message.content.lstrip().startswith("{")


@needs("schema")
def test_json_schema(openai_client, kind):
    """JSON that follows a schema"""
    answer = ask(openai_client, kind, ASKS_FOR_A_RIVER, response_format=RIVER_FORMAT)
    is_river(answer.choices[0].message.content)


@needs("schema")
def test_parse(openai_client, kind):
    """the client's own `parse` into a type"""
    answer = openai_client.chat.completions.parse(
        model=kind.model, messages=said(ASKS_FOR_A_RIVER), max_tokens=ENOUGH, response_format=River
    )
    assert isinstance(answer.choices[0].message.parsed, River)


@needs("schema")
def test_stream_helper(openai_client, kind):
    """the client's own `stream` helper"""
    with openai_client.chat.completions.stream(
        model=kind.model, messages=said(ASKS_FOR_A_RIVER), max_tokens=ENOUGH, response_format=River
    ) as stream:
        kinds = {event.type for event in stream}
        answer = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert isinstance(answer.choices[0].message.parsed, River)


@needs("images")
def test_image(openai_client, kind):
    """picture in a data URL"""
    picture = {"type": "image_url", "image_url": {"url": PNG_URL}}
    answer = ask(openai_client, kind, [{"type": "text", "text": "what colour is this"}, picture])
    assert answer.choices[0].message.content
    billed(kind, answer)


@needs("reasoning")
def test_reasoning(openai_client, kind):
    """reasoning effort"""
    answer = openai_client.chat.completions.create(
        model=kind.model, messages=said(QUESTION), max_completion_tokens=4_096, reasoning_effort="low"
    )
    assert answer.choices[0].message.content
    billed(kind, answer)


@refused("anthropic", code="untranslatable", why="Anthropic answers once")
def test_several_choices(openai_client, kind):
    """several choices"""
    answer = ask(openai_client, kind, n=2, max_tokens=FEW)
    assert [choice.index for choice in answer.choices] == [0, 1]


def test_headers(openai_client, kind):
    """raw headers name request and backend"""
    raw = openai_client.chat.completions.with_raw_response.create(
        model=kind.model, messages=said(QUESTION), max_tokens=FEW
    )
    assert raw.headers["x-request-id"] == raw.parse()._request_id
    assert raw.headers["x-sluicegate-backend"].split("/")[0] == kind.name


def test_wrong_key(openai_client, kind):
    """wrong key"""
    with pytest.raises(openai.AuthenticationError) as raised:
        ask(openai_client.with_options(api_key="sk-wrong"), kind)
    assert raised.value.code == "invalid_key" and raised.value.request_id


def test_unknown_model(openai_client, kind):
    """unknown model"""
    with pytest.raises(openai.NotFoundError) as raised:
        ask(openai_client, kind, model="gpt-0")
    assert raised.value.code == "unknown_model"


def test_malformed_request(openai_client, kind):
    """request that is wrong in itself"""
    with pytest.raises(openai.BadRequestError) as raised:
        ask(openai_client, kind, messages=[])
    assert raised.value.type == "invalid_request_error"


@simulated
def test_spent_limit(openai_client, kind):
    """spent limit, with `Retry-After`"""
    client = openai_client.with_options(api_key=kind.spent_key)
    with pytest.raises(openai.RateLimitError) as raised:
        for _ in range(2):
            ask(client, kind, max_tokens=FEW)
    assert raised.value.code == "request_limit"
    assert int(raised.value.response.headers["retry-after"]) > 0


@simulated
def test_context_length(openai_client, kind):
    """prompt over the context window"""
    with pytest.raises(openai.BadRequestError) as raised:
        ask(openai_client, kind, TOO_LONG)
    is_context_length(raised.value, kind)


@simulated
def test_backend_rate_limited(openai_client, kind):
    """backend at its limit, with `Retry-After`"""
    # Longer than the gateway would hold a request back. The deployment is out of service from then on.
    kind.simulator.break_by("rate_limited", retry_after=30.0)
    with pytest.raises(openai.RateLimitError) as raised:
        ask(openai_client, kind, model=kind.spare_model())
    assert int(raised.value.response.headers["retry-after"]) > 0


@simulated
def test_backend_error(openai_client, kind):
    """backend that fails"""
    kind.simulator.break_by("server_error", status=500)
    with pytest.raises(openai.InternalServerError) as raised:
        ask(openai_client, kind)
    assert raised.value.code == "backend_error"


@simulated
@pytest.mark.parametrize("fault", ["drop_mid_stream", "reset_mid_stream", "error_event"])
def test_broken_stream(openai_client, kind, fault):
    """stream that breaks raises and never looks complete"""
    kind.simulator.break_by(fault, after_events=5)
    chunks = []
    with pytest.raises(openai.APIError):
        for chunk in ask(openai_client, kind, stream=True):
            chunks.append(chunk)
    assert chunks, "what came before the break was relayed"
    assert all(choice.finish_reason is None for chunk in chunks for choice in chunk.choices)


@simulated
def test_caller_leaves(openai_client, kind):
    """a caller that leaves ends the generation"""
    kind.simulator.break_by("hang_mid_stream", after_events=7)
    stream = ask(openai_client, kind, stream=True)
    next(iter(stream))
    request_id = stream.response.headers["x-request-id"]
    stream.close()
    kind.simulator.awaits(request_id, outcome="cancelled")
