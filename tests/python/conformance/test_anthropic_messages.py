"""Messages through Anthropic's client."""

import asyncio

import anthropic
import pytest
from cells import needs, simulated
from scenes import (
    ASKS_FOR_A_RIVER,
    ASKS_FOR_ONE_TOOL,
    ASKS_FOR_TWO_TOOLS,
    BRIEFLY,
    ENOUGH,
    FEW,
    PNG,
    QUESTION,
    RIVER,
    TOO_LONG,
    WEATHER,
    WEATHER_REPORT,
    River,
    is_river,
    names_a_city,
)

CLIENT = "Anthropic: messages"

TOOL = {
    "name": WEATHER["name"],
    "description": WEATHER["description"],
    "input_schema": WEATHER["schema"],
}
NAMED = {"type": "tool", "name": WEATHER["name"]}


def said(content):
    return [{"role": "user", "content": content}]


def ask(client, kind, content=QUESTION, **more):
    request = {"model": kind.model, "messages": said(content), "max_tokens": ENOUGH} | more
    return client.messages.create(**request)


def text_of(answer):
    return "".join(block.text for block in answer.content if block.type == "text")


def calls_of(answer):
    return [block for block in answer.content if block.type == "tool_use"]


def prompt_of(usage):
    """All prompt tokens: Anthropic counts what a cache read or wrote apart."""
    return usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)


def billed(kind, answer, request_id=None):
    kind.billed(request_id or answer._request_id, prompt_of(answer.usage), answer.usage.output_tokens)


class Heard:
    """A stream of plain events, put together without the client's helper."""

    def __init__(self, stream):
        self.request_id = stream.response.headers["request-id"]
        self.text, self.types, self.json, self.stop, self.output_tokens = "", [], {}, None, 0
        for event in stream:
            self.types.append(event.type)
            if event.type == "content_block_delta":
                self._delta(event)
            elif event.type == "message_delta":
                self.stop, self.output_tokens = event.delta.stop_reason, event.usage.output_tokens

    def _delta(self, event):
        if event.delta.type == "text_delta":
            self.text += event.delta.text
        elif event.delta.type == "input_json_delta":
            self.json[event.index] = self.json.get(event.index, "") + event.delta.partial_json


def test_plain(anthropic_client, kind):
    """plain answer with its usage"""
    answer = ask(anthropic_client, kind)
    assert (answer.type, answer.role) == ("message", "assistant")
    kind.ended(answer.stop_reason, "end_turn", "max_tokens")
    assert answer.id and text_of(answer).strip()
    billed(kind, answer)


def test_stream(anthropic_client, kind):
    """stream with the same text, its events in order"""
    plain = ask(anthropic_client, kind)
    kind.rewind()
    heard = Heard(ask(anthropic_client, kind, stream=True))
    kind.same(text_of(plain), heard.text)
    kind.ended(heard.stop, "end_turn", "max_tokens")
    assert heard.types[0] == "message_start" and heard.types[-2:] == ["message_delta", "message_stop"]
    assert heard.types.count("content_block_start") == heard.types.count("content_block_stop") == 1


def test_stream_helper(anthropic_client, kind):
    """the client's own `stream` helper, with usage"""
    with anthropic_client.messages.stream(
        model=kind.model, messages=said(QUESTION), max_tokens=ENOUGH
    ) as stream:
        text = "".join(stream.text_stream)
        answer = stream.get_final_message()
        request_id = stream.response.headers["request-id"]
    assert text_of(answer) == text
    billed(kind, answer, request_id)


def test_async_stream(kind):
    """the asynchronous client's stream"""

    async def listen():
        async with (
            anthropic.AsyncAnthropic(base_url=kind.gateway, api_key=kind.key, max_retries=0) as client,
            client.messages.stream(
                model=kind.model, messages=said(QUESTION), max_tokens=ENOUGH
            ) as stream,
        ):
            return await stream.get_final_message()

    kind.ended(asyncio.run(listen()).stop_reason, "end_turn", "max_tokens")


def test_conversation(anthropic_client, kind):
    """system prompt and earlier turns"""
    turns = [
        *said(QUESTION),
        {"role": "assistant", "content": "water"},
        *said([{"type": "text", "text": "and where"}, {"type": "text", "text": " does it go"}]),
    ]
    billed(kind, ask(anthropic_client, kind, messages=turns, system=BRIEFLY))


def test_system_blocks(anthropic_client, kind):
    """system prompt in blocks"""
    blocks = [{"type": "text", "text": BRIEFLY}, {"type": "text", "text": "and kindly"}]
    billed(kind, ask(anthropic_client, kind, system=blocks))


def test_length(anthropic_client, kind):
    """stop reason `max_tokens`"""
    answer = ask(anthropic_client, kind, max_tokens=FEW)
    assert answer.stop_reason == "max_tokens" and answer.usage.output_tokens <= FEW


@needs("turns")
def test_stop(anthropic_client, kind):
    """stop sequence"""
    request, word = "repeat: alpha beta gamma delta", "gamma"
    if kind.simulator:
        word = text_of(ask(anthropic_client, kind, request)).split()[3]
        kind.rewind()
    answer = ask(anthropic_client, kind, request, stop_sequences=[word])
    assert word not in text_of(answer)
    # OpenAI's API does not tell a stop sequence from the end of the turn.
    assert answer.stop_reason in ("stop_sequence", "end_turn")


@needs("tools")
@pytest.mark.parametrize("choice", [{"type": "auto"}, {"type": "any"}, NAMED], ids=["auto", "any", "named"])
def test_tool_call(anthropic_client, kind, choice):
    """tool call: chosen by the model, required, named"""
    answer = ask(anthropic_client, kind, ASKS_FOR_ONE_TOOL, tools=[TOOL], tool_choice=choice)
    (call,) = calls_of(answer)
    assert call.id and call.name == WEATHER["name"] and answer.stop_reason == "tool_use"
    names_a_city(call.input)


@needs("tools")
def test_tools_unused(anthropic_client, kind):
    """tools that must not be called"""
    answer = ask(anthropic_client, kind, ASKS_FOR_ONE_TOOL, tools=[TOOL], tool_choice={"type": "none"})
    assert not calls_of(answer) and text_of(answer)


@needs("tools")
def test_parallel_tool_calls(anthropic_client, kind):
    """parallel tool calls"""
    calls = calls_of(ask(anthropic_client, kind, ASKS_FOR_TWO_TOOLS, tools=[TOOL]))
    assert len({call.id for call in calls}) == len(calls) == 2
    for call in calls:
        names_a_city(call.input)


@needs("tools")
def test_no_parallel_tool_calls(anthropic_client, kind):
    """parallel tool calls forbidden"""
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    answer = ask(anthropic_client, kind, ASKS_FOR_TWO_TOOLS, tools=[TOOL], tool_choice=choice)
    assert len(calls_of(answer)) == 1


@needs("tools")
def test_streamed_tool_calls(anthropic_client, kind):
    """tool calls in a stream, in pieces"""
    heard = Heard(ask(anthropic_client, kind, ASKS_FOR_TWO_TOOLS, tools=[TOOL], stream=True))
    assert heard.stop == "tool_use" and len(heard.json) == 2
    for arguments in heard.json.values():
        names_a_city(arguments)


@needs("tools")
def test_tool_results(anthropic_client, kind):
    """results of several tool calls in the next turn"""
    first = ask(anthropic_client, kind, ASKS_FOR_TWO_TOOLS, tools=[TOOL])
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": WEATHER_REPORT} for call in calls_of(first)
    ]
    turns = [*said(ASKS_FOR_TWO_TOOLS), {"role": "assistant", "content": first.content}, *said(results)]
    answer = ask(anthropic_client, kind, messages=turns, tools=[TOOL], tool_choice={"type": "none"})
    assert text_of(answer) and answer.stop_reason == "end_turn"
    billed(kind, answer)


@needs("schema")
def test_json_schema(anthropic_client, kind):
    """JSON that follows a schema"""
    river = {"format": {"type": "json_schema", "schema": RIVER}}
    is_river(text_of(ask(anthropic_client, kind, ASKS_FOR_A_RIVER, output_config=river)))


@needs("schema")
def test_parse(anthropic_client, kind):
    """the client's own `parse` into a type"""
    answer = anthropic_client.messages.parse(
        model=kind.model, messages=said(ASKS_FOR_A_RIVER), max_tokens=ENOUGH, output_format=River
    )
    assert isinstance(answer.parsed_output, River)


@needs("images")
def test_image(anthropic_client, kind):
    """picture in base64"""
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "what colour is this"}]
    answer = ask(anthropic_client, kind, content)
    assert text_of(answer)
    billed(kind, answer)


@needs("reasoning")
def test_effort(anthropic_client, kind):
    """effort"""
    answer = ask(anthropic_client, kind, max_tokens=4_096, output_config={"effort": "low"})
    assert text_of(answer)
    billed(kind, answer)


@needs("reasoning")
def test_thinking(anthropic_client, kind):
    """thinking with a budget"""
    thinking = {"type": "enabled", "budget_tokens": 1_024}
    answer = ask(anthropic_client, kind, max_tokens=4_096, thinking=thinking)
    assert text_of(answer)
    billed(kind, answer)


@needs("reasoning")
def test_thinking_turn(anthropic_client, kind):
    """thinking goes back with the next turn"""
    thinking = {"type": "enabled", "budget_tokens": 1_024}
    first = ask(anthropic_client, kind, max_tokens=4_096, thinking=thinking)
    turns = [*said(QUESTION), {"role": "assistant", "content": first.content}, *said("and where does it go")]
    assert text_of(ask(anthropic_client, kind, messages=turns, max_tokens=4_096, thinking=thinking))


def test_cache_control(anthropic_client, kind):
    """cached system prompt, its tokens counted apart"""
    block = {"type": "text", "text": BRIEFLY, "cache_control": {"type": "ephemeral"}}
    billed(kind, ask(anthropic_client, kind, system=[block]))


def test_headers(anthropic_client, kind):
    """raw headers name request and backend"""
    raw = anthropic_client.messages.with_raw_response.create(
        model=kind.model, messages=said(QUESTION), max_tokens=FEW
    )
    assert raw.headers["x-request-id"] == raw.headers["request-id"] == raw.parse()._request_id
    assert raw.headers["x-sluicegate-backend"].split("/")[0] == kind.name


def test_wrong_key(anthropic_client, kind):
    """wrong key"""
    with pytest.raises(anthropic.AuthenticationError) as raised:
        ask(anthropic_client.with_options(api_key="sk-wrong"), kind)
    body = raised.value.body
    assert (body["type"], body["error"]["type"]) == ("error", "authentication_error") and body["request_id"]


def test_unknown_model(anthropic_client, kind):
    """unknown model"""
    with pytest.raises(anthropic.NotFoundError) as raised:
        ask(anthropic_client, kind, model="claude-0")
    assert raised.value.body["error"]["type"] == "not_found_error"


def test_malformed_request(anthropic_client, kind):
    """request that is wrong in itself"""
    with pytest.raises(anthropic.BadRequestError) as raised:
        ask(anthropic_client, kind, messages=[])
    assert raised.value.body["error"]["type"] == "invalid_request_error"


@simulated
def test_spent_limit(anthropic_client, kind):
    """spent limit, with `Retry-After`"""
    client = anthropic_client.with_options(api_key=kind.spent_key)
    with pytest.raises(anthropic.RateLimitError) as raised:
        for _ in range(2):
            ask(client, kind, max_tokens=FEW)
    assert raised.value.body["error"]["type"] == "rate_limit_error"
    assert int(raised.value.response.headers["retry-after"]) > 0


@simulated
def test_context_length(anthropic_client, kind):
    """prompt over the context window"""
    with pytest.raises(anthropic.BadRequestError) as raised:
        ask(anthropic_client, kind, TOO_LONG)
    assert raised.value.body["error"]["type"] == "invalid_request_error"


@simulated
def test_backend_rate_limited(anthropic_client, kind):
    """backend at its limit, with `Retry-After`"""
    # Longer than the gateway would hold a request back. The deployment is out of service from then on.
    kind.simulator.break_by("rate_limited", retry_after=30.0)
    with pytest.raises(anthropic.RateLimitError) as raised:
        ask(anthropic_client, kind, model=kind.spare_model())
    assert int(raised.value.response.headers["retry-after"]) > 0


@simulated
def test_backend_error(anthropic_client, kind):
    """backend that fails"""
    kind.simulator.break_by("server_error", status=500)
    with pytest.raises(anthropic.InternalServerError) as raised:
        ask(anthropic_client, kind)
    assert raised.value.body["error"]["type"] == "api_error"


@simulated
@pytest.mark.parametrize("fault", ["drop_mid_stream", "reset_mid_stream", "error_event"])
def test_broken_stream(anthropic_client, kind, fault):
    """stream that breaks raises and never looks complete"""
    kind.simulator.break_by(fault, after_events=7)
    events = []
    with pytest.raises(anthropic.APIError):
        for event in ask(anthropic_client, kind, stream=True):
            events.append(event.type)
    assert "content_block_delta" in events, "what came before the break was relayed"
    assert "message_stop" not in events and "message_delta" not in events


@simulated
def test_caller_leaves(anthropic_client, kind):
    """a caller that leaves ends the generation"""
    kind.simulator.break_by("hang_mid_stream", after_events=7)
    stream = ask(anthropic_client, kind, stream=True)
    next(iter(stream))
    request_id = stream.response.headers["request-id"]
    stream.close()
    kind.simulator.awaits(request_id, outcome="cancelled")
