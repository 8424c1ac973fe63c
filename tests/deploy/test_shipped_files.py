"""What is shipped for containers and for Prometheus, checked as far as it can be without a Docker engine."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor import cli
from monitor.config import load
from tests import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}
PROMETHEUS = ROOT / "deploy" / "prometheus"
BOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))


def targets() -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "targets.yml").read_text("utf-8"))
    return read


def tool(name: str, *words: str) -> str:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed (Debian: prometheus, prometheus-alertmanager)")
    run = subprocess.run([name, *words], capture_output=True, text=True, cwd=PROMETHEUS, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.parametrize("name", OURS)
def test_every_command_line_is_one_of_sorwatchs(name: str) -> None:
    command, *rest = OURS[name]["command"]
    parser = argparse.ArgumentParser(exit_on_error=False)
    importlib.import_module(cli.COMMANDS[command][0]).arguments(parser)
    parser.parse_args(rest)


def test_the_settings_of_the_compose_file_have_no_mistake_and_its_broker() -> None:
    read = load.load(str(ROOT / "deploy/sorwatch.toml"))
    assert read.kafka.servers == (COMPOSE["services"]["topics"]["environment"]["SORWATCH_KAFKA"],)


def test_nothing_is_published_beyond_loopback() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_container_may_do_little(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service.get("read_only") is True or name == "kafka"  # its image writes its configuration at start
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", [n for n, s in COMPOSE["services"].items() if n != "topics"])
def test_a_container_says_whether_it_is_well(name: str) -> None:
    asked = " ".join(COMPOSE["services"][name]["healthcheck"]["test"])
    if name in OURS:
        (port,) = (each["targets"][0].partition(":")[2] for each in targets() if each["labels"]["process"] == name)
        assert asked == f"CMD python -m monitor.process.container_check 127.0.0.1:{port}"
        assert COMPOSE["services"][name]["init"] is True, "the check ends what process 1 has started"


def test_kafka_is_the_version_that_everything_is_tested_with() -> None:
    lock = (ROOT / "monitor/kafka/embedded/kafka_jars.lock").read_text("utf-8")
    (version,) = set(re.findall(r"^org\.apache\.kafka:kafka-clients:(\S+) ", lock, re.M))
    assert COMPOSE["services"]["kafka"]["image"] == f"apache/kafka:{version}"


def test_kafka_keeps_its_data_in_its_volume() -> None:
    """With any setting in the environment the image takes none of its own: the data would lie in /tmp."""
    kafka = COMPOSE["services"]["kafka"]
    assert [v.partition(":")[2] for v in kafka["volumes"]] == [kafka["environment"]["KAFKA_LOG_DIRS"]]


def test_what_is_named_is_declared() -> None:
    services = COMPOSE["services"].values()
    named = {v.partition(":")[0] for s in services for v in s.get("volumes", ()) if not v.startswith(".")}
    assert named == set(COMPOSE["volumes"])
    assert {name for s in services for name in s.get("secrets", ())} == set(COMPOSE["secrets"])


def test_the_image_is_of_one_version_and_takes_nothing_that_is_not_pinned() -> None:
    text = (ROOT / "deploy/Dockerfile").read_text("utf-8")
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"python:3.11.13-slim-bookworm"}
    for line in re.findall(r"pip install (.+)", text):
        assert "--require-hashes" in line or {"--no-deps", "--no-build-isolation"} <= set(line.split()), line


def test_there_is_no_default_password_and_every_image_is_of_one_version() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    assert not re.search(r"PASSWORD: ", text)
    images = [service["image"] for service in COMPOSE["services"].values()]
    assert all(":" in image and not image.endswith(":latest") for image in images)


def test_every_file_that_is_mounted_is_there() -> None:
    volumes = [v for service in COMPOSE["services"].values() for v in service.get("volumes", ())]
    mounted = [ROOT / v.split(":")[0] for v in volumes if v.startswith("./")]
    assert mounted
    assert all(path.exists() for path in mounted)


def test_what_the_image_copies_is_let_through_and_there() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "deploy/Dockerfile").read_text("utf-8"), re.MULTILINE)
    let_through = {
        line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")
    }
    for path in {word for line in copied for word in line.split()}:
        assert path in let_through
        assert (ROOT / path).exists()


def test_prometheus_takes_its_configuration_and_rules() -> None:
    assert "SUCCESS" in tool("promtool", "check", "config", "--syntax-only", "prometheus.yml")
    assert "SUCCESS" in tool("promtool", "check", "rules", "rules.yml")


def test_the_alert_rules_fire_and_stay_silent_as_they_should() -> None:
    assert "SUCCESS" in tool("promtool", "test", "rules", "rules_test.yml")


def test_alertmanager_takes_its_configuration() -> None:
    assert "SUCCESS" in tool("amtool", "check-config", "../alertmanager/alertmanager.yml")


def test_every_process_is_scraped_at_its_probe() -> None:
    read = load.load(str(ROOT / "deploy/sorwatch.toml"))
    probes = {"listen": read.listen.probe, "publish": read.publish.probe, "quotes": read.quotes.probe}
    probes |= {"watch": read.watch.probe, "alert": read.alert.page}
    assert {t["labels"]["process"]: t["targets"] for t in targets()} == {
        name: [f"{name}:{address.rsplit(':', 1)[1]}"] for name, address in probes.items()
    }


@pytest.mark.parametrize("board", BOARDS, ids=lambda p: p.stem)
def test_a_dashboard_is_readable_and_asks_the_provisioned_source(board: Path) -> None:
    source = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text("utf-8"))
    known = {s["uid"] for s in source["datasources"]}
    panels = json.loads(board.read_text("utf-8"))["panels"]
    assert len({p["id"] for p in panels}) == len(panels)
    assert {p["datasource"]["uid"] for p in panels} <= known


@pytest.mark.line
@pytest.mark.timeout(300)
def test_the_composed_line_runs_and_every_query_is_answered(tmp_path: Path) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed (Debian: prometheus)")
    if subprocess.run(["unshare", "-rnm", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine gives no name spaces: ports and names of the compose file cannot be used as they are")
    words = ["unshare", "-rnm", sys.executable, "-m", "tests.deploy.composed", str(tmp_path)]
    run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    ends = "\n".join(f"== {p.name}\n{p.read_text()[-800:]}" for p in tmp_path.glob("*.log"))
    assert run.returncode == 0, run.stderr[-3000:] + ends
    told: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    assert all(told["running"].values()), ends
    assert told["alerts"] == []
    failed = {query: answer for query, answer in told["queries"].items() if answer["status"] != "success"}
    assert failed == {}
    unanswered = {query for query, answer in told["queries"].items() if not answer["data"]["result"]}
    assert not {query for query in unanswered if not NEEDS_TIME.search(query)}


NEEDS_TIME = re.compile(r"sorwatch:|sorwatch_notices|sorwatch_findings|sorwatch_incidents|fill_to_finding")
"""Queries that answer only after an hour, or only where something was wrong."""
