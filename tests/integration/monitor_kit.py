"""arb-monitor as the program it is, and its answers, for tests."""

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Monitor", "monitor", "strictly_parsed", "value_of"]

NAME = re.compile(r"[a-z][a-z0-9_]*")
HISTOGRAM_SUFFIXES = ("_bucket", "_sum", "_count")


class Monitor:
    """A running monitor."""

    def __init__(self, root: str) -> None:
        self.root = root

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Ask with GET; return status and text."""
        request = urllib.request.Request(f"{self.root}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def health(self, query: str = "") -> tuple[int, dict[str, Any]]:
        """Return the status and the body of /health."""
        status, text = self.get(f"/health{query}")
        return status, json.loads(text)

    def scrape(self) -> dict[str, Metric]:
        """Scrape, and read what came strictly."""
        status, text = self.get("/metrics")
        assert status == 200, text
        return strictly_parsed(text)


@contextmanager
def monitor(*names: str) -> Iterator[Monitor]:
    """Run a monitor of some traders on a free port."""
    command = [sys.executable, "-m", "arbitrage.monitor", "--port", "0"]
    for name in names:
        command += ["--name", name]
    environment = {key: text for key, text in os.environ.items() if key != "LD_PRELOAD"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as child:
        try:
            assert child.stderr is not None
            said = []
            for line in child.stderr:
                said.append(line)
                found = re.search(r"serving (http://127\.0\.0\.1:\d+)/", line)
                if found:
                    yield Monitor(found[1])
                    break
            else:
                raise AssertionError(f"the monitor did not start: {said}")
        finally:
            child.terminate()
            child.wait(30)


def strictly_parsed(text: str) -> dict[str, Metric]:
    """Parse a scrape as promtool would check it; return the families by name as served."""
    assert text.endswith("\n")
    told: dict[str, dict[str, str]] = {"HELP": {}, "TYPE": {}}
    begun: list[str] = []
    for line in text.splitlines():
        if line.startswith("# "):
            _, word, name, rest = line.split(" ", 3)
            assert name not in told[word], f"{word} of {name} twice"
            told[word][name] = rest
            if word == "HELP":
                assert rest.strip(), f"{name} has no meaning"
                begun.append(name)
        else:
            name = re.split(r"[{ ]", line, maxsplit=1)[0]
            family = begun[-1]
            allowed = {family} | {family + suffix for suffix in HISTOGRAM_SUFFIXES}
            assert name in allowed, f"{name} stands under {family}"
    assert set(told["HELP"]) == set(told["TYPE"])
    families: dict[str, Metric] = {}
    seen = set()
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert NAME.fullmatch(name), name
        assert family.type == told["TYPE"][name]
        assert family.type in {"counter", "gauge", "histogram"}
        assert (family.type == "counter") == name.endswith("_total"), name
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in seen, key
            seen.add(key)
            assert all(NAME.fullmatch(label) for label in sample.labels)
            if family.type == "counter":
                assert sample.value >= 0, sample
        if family.type == "histogram":
            _check_histogram(family)
        families[name] = family
    assert set(families) == set(told["HELP"])
    return families


def _check_histogram(family: Metric) -> None:
    rows: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    counts, sums = {}, {}
    for sample in family.samples:
        labels = {key: text for key, text in sample.labels.items() if key != "le"}
        key = tuple(sorted(labels.items()))
        if sample.name.endswith("_bucket"):
            rows.setdefault(key, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_count"):
            counts[key] = sample.value
        else:
            assert sample.name.endswith("_sum")
            sums[key] = sample.value
    assert set(rows) == set(counts) == set(sums), family.name
    for key, buckets in rows.items():
        assert buckets == sorted(buckets), (family.name, key)
        assert buckets[-1] == (float("inf"), counts[key])
        assert [count for _, count in buckets] == sorted(count for _, count in buckets)


def value_of(families: dict[str, Metric], name: str, **labels: str) -> float:
    """Return the one sample of a name and labels; its name may be that of a histogram's part."""
    for family in families.values():
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return float(sample.value)
    raise AssertionError(f"{name}{labels} was not served")
