"""Responses through OpenAI's client."""

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

CLIENT = "OpenAI: responses"

TOOL = {
    "type": "function",
    "name": WEATHER["name"],
    "description": WEATHER["description"],
    "parameters": WEATHER["schema"],
    "strict": True,
}
NAMED = {"type": "function", "name": WEATHER["name"]}
RIVER_FORMAT = {"format": {"type": "json_schema", "name": "river", "strict": True, "schema": RIVER}}
no_state = refused(
    "vllm",
    "llama-cpp",
    "mistral",
    "anthropic",
    code="unknown_response",
    at=404,
    why="only OpenAI and Azure OpenAI keep what a response said; send the whole input",
)
ENDS = {"response.completed", "response.incomplete", "response.failed"}


def ask(client, kind, content=QUESTION, **more):
    request = {"model": kind.model, "input": content, "max_output_tokens": ENOUGH} | more
    return client.responses.create(**request)


def calls_of(answer):
    return [item for item in answer.output if item.type == "function_call"]


def billed(kind, answer):
    kind.billed(answer._request_id, answer.usage.input_tokens, answer.usage.output_tokens)
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


def test_plain(openai_client, kind):
    """plain answer with its usage"""
    answer = ask(openai_client, kind)
    assert answer.object == "response" and answer.id
    kind.ended(answer.status, "completed", "incomplete")
    assert answer.output_text.strip()
    billed(kind, answer)


def test_stream(openai_client, kind):
    """typed events in order, with the same text"""
    plain = ask(openai_client, kind, temperature=0)
    kind.rewind()
    stream = ask(openai_client, kind, temperature=0, stream=True)
    events = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    kind.ended(events[-1].type, "response.completed", "response.incomplete")
    assert sum(event.type in ENDS for event in events) == 1
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    kind.same(plain.output_text, text)
    assert events[-1].response.output_text == text


def test_stream_usage(openai_client, kind):
    """usage in the last event of a stream"""
    stream = ask(openai_client, kind, stream=True)
    request_id = stream.response.headers["x-request-id"]
    usage = list(stream)[-1].response.usage
    kind.billed(request_id, usage.input_tokens, usage.output_tokens)


def test_conversation(openai_client, kind):
    """instructions and earlier turns"""
    turns = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": "water"},
        {"role": "user", "content": "and where does it go"},
    ]
    billed(kind, ask(openai_client, kind, turns, instructions=BRIEFLY))


def test_length(openai_client, kind):
    """`incomplete` at `max_output_tokens`"""
    # OpenAI takes no fewer than 16.
    answer = ask(openai_client, kind, max_output_tokens=16)
    assert answer.status == "incomplete" and answer.incomplete_details.reason == "max_output_tokens"
    assert answer.usage.output_tokens <= 16


@needs("tools")
@pytest.mark.parametrize("choice", ["auto", "required", NAMED], ids=["auto", "required", "named"])
def test_tool_call(openai_client, kind, choice):
    """tool call: chosen by the model, required, named"""
    (call,) = calls_of(ask(openai_client, kind, ASKS_FOR_ONE_TOOL, tools=[TOOL], tool_choice=choice))
    assert call.call_id and call.name == WEATHER["name"]
    names_a_city(call.arguments)


@needs("tools")
def test_streamed_tool_calls(openai_client, kind):
    """parallel tool calls in a stream, in pieces"""
    events = list(ask(openai_client, kind, ASKS_FOR_TWO_TOOLS, tools=[TOOL], stream=True))
    pieces = {}
    for event in events:
        if event.type == "response.function_call_arguments.delta":
            pieces[event.output_index] = pieces.get(event.output_index, "") + event.delta
    calls = calls_of(events[-1].response)
    assert len(calls) == 2 and sorted(pieces.values()) == sorted(call.arguments for call in calls)
    for call in calls:
        names_a_city(call.arguments)


@needs("tools")
def test_tool_results(openai_client, kind):
    """results of several tool calls in the next turn"""
    first = ask(openai_client, kind, ASKS_FOR_TWO_TOOLS, tools=[TOOL])
    turns = [{"role": "user", "content": ASKS_FOR_TWO_TOOLS}]
    turns += [call.model_dump(include={"type", "call_id", "name", "arguments"}) for call in calls_of(first)]
    turns += [
        {"type": "function_call_output", "call_id": call.call_id, "output": WEATHER_REPORT}
        for call in calls_of(first)
    ]
    answer = ask(openai_client, kind, turns, tools=[TOOL], tool_choice="none")
    assert answer.output_text
    billed(kind, answer)


@needs("schema")
def test_json_schema(openai_client, kind):
    """JSON that follows a schema"""
    is_river(ask(openai_client, kind, ASKS_FOR_A_RIVER, text=RIVER_FORMAT).output_text)


@needs("schema")
def test_parse(openai_client, kind):
    """the client's own `parse` into a type"""
    answer = openai_client.responses.parse(
        model=kind.model, input=ASKS_FOR_A_RIVER, max_output_tokens=ENOUGH, text_format=River
    )
    assert isinstance(answer.output_parsed, River)


@needs("turns")
def test_stream_helper(openai_client, kind):
    """the client's own `stream` helper"""
    with openai_client.responses.stream(
        model=kind.model, input=QUESTION, max_output_tokens=ENOUGH
    ) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        assert stream.get_final_response().output_text == text


@needs("images")
def test_image(openai_client, kind):
    """picture in a data URL"""
    content = [
        {"type": "input_text", "text": "what colour is this"},
        {"type": "input_image", "image_url": PNG_URL, "detail": "auto"},
    ]
    answer = ask(openai_client, kind, [{"role": "user", "content": content}])
    assert answer.output_text
    billed(kind, answer)


@needs("reasoning")
def test_reasoning(openai_client, kind):
    """reasoning effort"""
    answer = ask(openai_client, kind, max_output_tokens=4_096, reasoning={"effort": "low"})
    assert answer.output_text
    billed(kind, answer)


@needs("state")
@no_state
def test_previous_response(openai_client, kind):
    """`previous_response_id` goes on where that answer ended"""
    first = ask(openai_client, kind, store=True)
    answer = ask(openai_client, kind, "and where does it go", previous_response_id=first.id)
    assert answer.output_text and answer.previous_response_id == first.id


@needs("state")
@no_state
def test_unknown_previous_response(openai_client, kind):
    """unknown `previous_response_id`"""
    with pytest.raises(openai.APIStatusError) as raised:
        ask(openai_client, kind, previous_response_id="resp_0000")
    if raised.value.code == "unknown_response":
        raise raised.value
    # The backend's own words.
    assert (raised.value.status_code, raised.value.code) == (400, "previous_response_not_found")


def test_headers(openai_client, kind):
    """raw headers name request and backend"""
    raw = openai_client.responses.with_raw_response.create(
        model=kind.model, input=QUESTION, max_output_tokens=16
    )
    assert raw.headers["x-request-id"] == raw.parse()._request_id
    assert raw.headers["x-sluicegate-backend"].split("/")[0] == kind.name


def test_wrong_key(openai_client, kind):
    """wrong key"""
    with pytest.raises(openai.AuthenticationError) as raised:
        ask(openai_client.with_options(api_key="sk-wrong"), kind)
    assert raised.value.code == "invalid_key"


def test_unknown_model(openai_client, kind):
    """unknown model"""
    with pytest.raises(openai.NotFoundError) as raised:
        ask(openai_client, kind, model="gpt-0")
    assert raised.value.code == "unknown_model"


@simulated
def test_spent_limit(openai_client, kind):
    """spent limit, with `Retry-After`"""
    client = openai_client.with_options(api_key=kind.spent_key)
    with pytest.raises(openai.RateLimitError) as raised:
        for _ in range(2):
            ask(client, kind, max_output_tokens=16)
    assert raised.value.code == "request_limit"
    assert int(raised.value.response.headers["retry-after"]) > 0


@simulated
def test_context_length(openai_client, kind):
    """prompt over the context window"""
    with pytest.raises(openai.BadRequestError) as raised:
        ask(openai_client, kind, TOO_LONG)
    is_context_length(raised.value, kind)


@simulated
def test_backend_error(openai_client, kind):
    """backend that fails"""
    kind.simulator.break_by("server_error", status=500)
    with pytest.raises(openai.InternalServerError) as raised:
        ask(openai_client, kind)
    assert raised.value.code == "backend_error"


@simulated
@pytest.mark.parametrize("fault", ["drop_mid_stream", "error_event"])
def test_broken_stream(openai_client, kind, fault):
    """stream that breaks says so and never looks complete"""
    kind.simulator.break_by(fault, after_events=7)
    events = []
    # A failure after output is an event of this API; the client raises only what has another form.
    try:
        events.extend(ask(openai_client, kind, stream=True))
    except openai.APIError as error:
        events.append(error)
    assert any(getattr(event, "type", None) == "response.output_text.delta" for event in events)
    assert isinstance(events[-1], openai.APIError) or events[-1].type in ("error", "response.failed")
    assert not any(getattr(event, "type", None) == "response.completed" for event in events)
