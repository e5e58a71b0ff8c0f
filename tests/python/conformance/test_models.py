"""The list of models, in the shape each client expects. The gateway answers it from its own table."""

CLIENT = "Both: models"


def holds_all(kind, models):
    assert {name for name in (kind.model, kind.embedding_model) if name} <= {model.id for model in models}
    assert {model.object if hasattr(model, "object") else model.type for model in models} == {"model"}


def test_openai_shape(openai_client, kind):
    """list in OpenAI's shape"""
    models = list(openai_client.models.list())
    holds_all(kind, models)


def test_anthropic_shape(anthropic_client, kind):
    """list in Anthropic's shape"""
    models = list(anthropic_client.models.list())
    holds_all(kind, models)
    assert all(model.display_name for model in models)
