"""A policy hook as an Azure Function (Python, programming model v2).

`decide` is the whole policy and knows nothing of Azure; below it stands what Functions need. Deploy with
`func azure functionapp publish <name>` and give the gateway the function's key as `x-functions-key`.
"""

import json

# Models that a class of data may go to; what is not listed may go nowhere.
MODELS_BY_DATA_CLASS = {
    "restricted": {"gpt-4o"},
    "internal": {"gpt-4o", "llama-70b"},
    None: {"gpt-4o", "llama-70b", "claude-sonnet"},
}
LARGEST_PROMPT = 65536


def decide(question):
    """The decision on one question of version 1 of the contract."""
    if question.get("version") != 1:
        return {"decision": "deny", "message": "this policy speaks version 1 of the contract", "ttl_s": 0}
    allowed = MODELS_BY_DATA_CLASS.get(question.get("data_class"), set())
    model = question.get("model")
    if model is not None and model not in allowed:
        return {
            "decision": "deny",
            "message": f"data of this class may not go to {model}; use {', '.join(sorted(allowed)) or 'nothing'}",
            "ttl_s": 60,
        }
    if (question.get("prompt_tokens") or 0) > LARGEST_PROMPT:
        return {"decision": "deny", "message": f"prompts end at {LARGEST_PROMPT} tokens", "ttl_s": 60}
    return {"decision": "allow", "ttl_s": 60}


try:
    import azure.functions as func
except ImportError:  # Outside of Functions the policy alone can still be tested.
    func = None

if func is not None:
    app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

    @app.route(route="decide", methods=["POST"])
    def decide_over_http(request: func.HttpRequest) -> func.HttpResponse:
        try:
            answer = decide(request.get_json())
        except (ValueError, AttributeError):
            return func.HttpResponse("the body is not a question", status_code=400)
        return func.HttpResponse(json.dumps(answer), mimetype="application/json")
