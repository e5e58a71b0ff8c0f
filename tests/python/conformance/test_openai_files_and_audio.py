"""Files and audio through OpenAI's client: passed on without being read, with the backend's own credential."""

import io

import openai
import pytest
from cells import needs

CLIENT = "OpenAI: files and audio"

SOUND = ("sound.wav", b"RIFF" + bytes(64), "audio/wav")


@needs("files")
def test_files(openai_client, kind):
    """a file is stored, listed, read and removed"""
    content = b'{"custom_id": "one"}\n'
    stored = openai_client.files.create(file=("batch.jsonl", io.BytesIO(content)), purpose="batch")
    assert stored.bytes == len(content)
    assert stored.id in {file.id for file in openai_client.files.list()}
    assert openai_client.files.content(stored.id).read() == content
    assert openai_client.files.delete(stored.id).deleted


@needs("files")
def test_unknown_file(openai_client):
    """unknown file: the backend's own refusal"""
    with pytest.raises(openai.NotFoundError):
        openai_client.files.retrieve("file-0000")


@needs("audio")
def test_transcription(openai_client, kind):
    """sound becomes text"""
    assert openai_client.audio.transcriptions.create(model=kind.model, file=SOUND).text


@needs("audio")
def test_speech(openai_client, kind):
    """text becomes sound, as a stream of bytes"""
    speech = openai_client.audio.speech.with_streaming_response
    with speech.create(model=kind.model, voice="alloy", input="water flows") as answer:
        assert sum(len(piece) for piece in answer.iter_bytes()) > 0
        assert answer.headers["x-sluicegate-backend"].split("/")[0] == kind.name


@needs("files")
def test_wrong_key(openai_client):
    """wrong key"""
    with pytest.raises(openai.AuthenticationError) as raised:
        openai_client.with_options(api_key="sk-wrong").files.list()
    assert raised.value.code == "invalid_key"
