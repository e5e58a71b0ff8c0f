"""What the suite talks to: a gateway per backend kind, and the simulated server behind it where there is one.

It owns reading the description the driver wrote and asking a simulator what it saw. It refuses to start
anything: gateways, servers and keys are the driver's.
"""

import json
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

# Every kind of backend that speaks to chat clients, in the order of the matrix.
KINDS = ("openai", "azure-openai", "vllm", "llama-cpp", "mistral", "anthropic")
# Longer than anything here takes on a busy machine.
PATIENCE = 30


class Simulator:
    """The simulated server's own account of what it was asked and what it sent."""

    def __init__(self, url):
        self.url = url

    def rewind(self):
        """Begins anew, so that the same request gets the same answer, and nothing is broken any more."""
        self.break_by()
        self._ask("POST", "/sim/reset")

    def record(self, request_id):
        """What it noted of the request the gateway gave this id."""
        found = [record for record in self.log() if record["request_id"] == request_id]
        assert len(found) == 1, f"{len(found)} requests of the id {request_id} reached the backend, not one"
        return found[0]

    def awaits(self, request_id, **expected):
        """Waits until the record of the request says this."""
        deadline = time.monotonic() + PATIENCE
        while True:
            record = self.record(request_id)
            if expected.items() <= record.items():
                return
            assert time.monotonic() < deadline, f"{record} never said {expected}"
            time.sleep(0.02)

    def log(self):
        lines = self._ask("GET", "/sim/log").splitlines()
        return [json.loads(line) for line in lines]

    def break_by(self, kind=None, **how):
        """Every request is struck by this fault from now on; without one, none is."""
        script = [{"at": 0, "kind": kind, **how}] if kind else []
        self._ask("POST", "/sim/faults", json.dumps(script).encode())

    def _ask(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, data=body, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()


@dataclass
class Kind:
    """One backend kind, behind a gateway of its own."""

    name: str
    gateway: str
    model: str
    key: str
    embedding_model: str | None = None
    spent_key: str | None = None
    simulator: Simulator | None = None
    # Models that may be put out of service, one by one.
    spare_models: list[str] = field(default_factory=list)
    # What the model behind it cannot do: the names that tests give to `needs`.
    lacks: frozenset[str] = field(default_factory=frozenset)

    def ended(self, reason, its_end, length):
        """Holds a reason to stop against the end of a turn, which weights without training never reach."""
        assert reason == its_end or ("turns" in self.lacks and reason == length), reason

    def spare_model(self):
        """A model that no other test uses."""
        return self.spare_models.pop()

    def rewind(self):
        """Makes the next answer repeat the one after the last call; a real model may differ anyway."""
        if self.simulator:
            self.simulator.rewind()

    def same(self, one, other):
        """Holds two answers to the same request against each other, as far as this backend repeats itself."""
        assert one and other
        if self.simulator:
            assert one == other

    def billed(self, request_id, prompt, output):
        """Holds the tokens a client was told of against those the backend counted."""
        assert prompt > 0 and output > 0, (prompt, output)
        if self.simulator:
            record = self.simulator.record(request_id)
            assert (prompt, output) == (record["prompt_tokens"], record["output_tokens"])


def read(path):
    """Reads the description: `{"kinds": {name: {...}}}`, each as `Kind` has it."""
    kinds = {}
    for name, described in json.loads(Path(path).read_text())["kinds"].items():
        simulator = described.pop("simulator", None)
        kinds[name] = Kind(
            name=name,
            simulator=Simulator(simulator) if simulator else None,
            lacks=frozenset(described.pop("lacks", ())),
            **described,
        )
    return kinds
