"""What a cell of the matrix may say, and how a test says it.

A cell is one feature of one client at one kind of backend. It works, or the product refuses it on purpose;
a refusal is asserted, never skipped.
"""

import functools
import inspect

import anthropic
import openai
import pytest


def refused(*kinds, code, why, at=400):
    """The gateway refuses what the test asks of these kinds, with this code and status, because of `why`.

    The body of the test is the same for every kind: for these, its request must raise.
    """

    def decorate(test):
        @functools.wraps(test)
        def judged(*args, kind, request, **kwargs):
            if kind.name not in kinds:
                return test(*args, **given(test, kind, request, kwargs))
            with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as raised:
                test(*args, **given(test, kind, request, kwargs))
            assert (raised.value.status_code, code_of(raised.value)) == (at, code), raised.value
            request.node.user_properties.append(("refused", f"`{code}`: {why}"))
            return None

        parameters = list(inspect.signature(test).parameters.values())
        wanted = {parameter.name for parameter in parameters}
        for name in ("kind", "request"):
            if name not in wanted:
                parameters.append(inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD))
        judged.__signature__ = inspect.Signature(parameters)
        return judged

    return decorate


def given(test, kind, request, others):
    """The fixtures a wrapped test asked for itself."""
    own = inspect.signature(test).parameters
    offered = {"kind": kind, "request": request}
    return others | {name: value for name, value in offered.items() if name in own}


def code_of(error):
    """The code in an error of either client. Anthropic's error object has no place for one."""
    return error.code if isinstance(error, openai.APIError) else None


def is_context_length(error, kind):
    """Holds an error against OpenAI's for a prompt that is too long."""
    # These servers have no code for it, and their words pass through as they are.
    if kind.name in ("vllm", "llama-cpp", "mistral"):
        assert "context" in error.message or "too long" in error.message, error
    else:
        assert error.code == "context_length_exceeded", error


def needs(*what):
    """Skips a test where the model behind the gateway cannot do this; simulated ones can do everything."""
    return pytest.mark.needs(*what)


# Faults, limits and windows that only a simulated server can be made to have.
simulated = pytest.mark.simulated
