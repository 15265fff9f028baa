"""scripts/bootstrap where something cannot be had: a sentence with a cure, and nothing half-made that looks like a whole."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers import find_program

SCRIPT = Path(__file__).resolve().parents[1] / "scripts/bootstrap"
WORKS = "echo promtool, version 2.42.0"


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


class Machine:
    """One that has all but promtool, and an apt that is without a network."""

    def __init__(self, directory: Path) -> None:
        self.top, self.programs = directory / "top", directory / "programs"
        (self.top / "scripts").mkdir(parents=True)
        shutil.copy(SCRIPT, self.top / "scripts")
        program(self.top / ".venv/bin/python", "exit 0")
        for name in ("nginx", "exiftool", "node", "npm", "wrk", "curl", "promtool"):
            program(self.programs / name, "")
        program(self.programs / "sudo", '[ "$1" != -n ] || shift\nexec "$@"')
        self.apt("exit 100")
        self.promtool = self.top / ".venv/bin/promtool"

    def apt(self, download: str) -> None:
        program(self.programs / "apt-get", f'case "$*" in *download*) {download} ;; esac')

    def package(self, text: str) -> None:
        """What apt has from now on: one in which promtool is this script."""
        tree = self.top.parent / "tree"
        program(tree / "usr/bin/promtool", text)
        (tree / "DEBIAN").mkdir(exist_ok=True)
        (tree / "DEBIAN/control").write_text("Package: prometheus\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: x\n")
        made = self.top.parent / "prometheus_1_all.deb"
        build = [find_program("dpkg-deb", "apt-get install dpkg"), "--root-owner-group", "--build", str(tree), str(made)]
        subprocess.run(build, check=True, capture_output=True)
        self.apt(f"cp {made} .")

    def bootstrap(self) -> subprocess.CompletedProcess[str]:
        temporary = self.top.parent / "tmp"
        temporary.mkdir(exist_ok=True)
        environ = {"PATH": f"{self.programs}:{os.environ['PATH']}", "TMPDIR": str(temporary)}
        command = [self.top / "scripts/bootstrap", "test"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
        assert not list(temporary.iterdir())
        return done


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_a_network_no_promtool_is_made_and_it_is_said(machine: Machine) -> None:
    done = machine.bootstrap()
    assert done.returncode == 2
    said = done.stderr.splitlines()[-1]
    assert said.startswith("onmiss: promtool could not be taken out of the package prometheus: see above; get it from https://")
    assert not machine.promtool.exists()


def test_only_what_says_that_it_is_promtool_is_one(machine: Machine) -> None:
    program(machine.promtool, "")
    machine.package("")
    assert machine.bootstrap().returncode == 2
    machine.package(WORKS)
    assert machine.bootstrap().returncode == 0
    assert WORKS in machine.promtool.read_text()
    machine.apt("exit 100")
    assert machine.bootstrap().returncode == 0, "it is there now"
