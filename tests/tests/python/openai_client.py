"""Drives OpenAI's client against a gateway and prints what it saw as one JSON object.

usage: openai_client.py BASE_URL KEY SPENT_KEY
"""

import json
import sys

import openai

CHAT = "sim-chat"
EMBEDDING = "sim-embed"
QUESTION = [{"role": "user", "content": "what flows through the gate"}]


def plain(client):
    answer = client.chat.completions.create(model=CHAT, messages=QUESTION, max_tokens=12)
    return {
        "text": answer.choices[0].message.content,
        "usage": [answer.usage.prompt_tokens, answer.usage.completion_tokens],
    }


def streamed(client):
    stream = client.chat.completions.create(
        model=CHAT, messages=QUESTION, max_tokens=12, stream=True, stream_options={"include_usage": True}
    )
    text, usage = "", None
    for chunk in stream:
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
        if chunk.usage:
            usage = [chunk.usage.prompt_tokens, chunk.usage.completion_tokens]
    return {"text": text, "usage": usage}


def embedded(client):
    answer = client.embeddings.create(model=EMBEDDING, input="one two three")
    return {"dimensions": len(answer.data[0].embedding), "tokens": answer.usage.prompt_tokens}


def error_of(client, **request):
    try:
        client.chat.completions.create(**{"model": CHAT, "messages": QUESTION, "max_tokens": 4, **request})
    except openai.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.code]
    return None


def main():
    base_url, key, spent_key = sys.argv[1:]

    def client_of(key):
        # Retries would hide a refusal behind a wait.
        return openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=20)

    client, spent = client_of(key), client_of(spent_key)
    seen = {
        "plain": plain(client),
        "streamed": streamed(client),
        "embedded": embedded(client),
        "models": [model.id for model in client.models.list()],
    }
    plain(spent)
    seen["errors"] = {
        "wrong key": error_of(client_of("sk-wrong")),
        "unknown model": error_of(client, model="gpt-0"),
        "spent limit": error_of(spent),
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
