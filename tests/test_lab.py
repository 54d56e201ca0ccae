"""What `make lab` starts, without starting it."""

import os
import signal
import socket
import subprocess
import webbrowser

import pytest

from imgrec_lab.course import lab


@pytest.fixture
def taken_port():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_a_port_that_is_asked_for_is_taken_or_refused(taken_port):
    with pytest.raises(ValueError, match=f"{taken_port} is taken.*make lab PORT={taken_port + 1}"):
        lab.pick_port(taken_port)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    assert lab.pick_port(free) == free


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_number_that_is_no_port_is_refused(port):
    with pytest.raises(ValueError, match=f"port must lie in 1-65535; got {port}"):
        lab.pick_port(port)


def test_without_a_port_the_first_free_one_is_taken(taken_port, monkeypatch):
    monkeypatch.setattr(lab, "FIRST_PORT", taken_port)
    assert taken_port < lab.pick_port(None) < taken_port + 100


def test_command_opens_the_first_lesson_on_that_port():
    words = lab.command(8890, browser=True)
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in words
    assert "--port=8890" in words and "--ServerApp.port_retries=0" in words
    assert "--no-browser" not in words
    assert "--no-browser" in lab.command(8890, browser=False)


@pytest.mark.parametrize(("user", "flag"), [(0, True), (1000, False)])
def test_only_root_is_allowed_as_root(user, flag, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    assert ("--allow-root" in lab.command(8888, browser=True)) == flag


def test_serve_prints_the_address_with_the_token_that_jupyter_gets(tmp_path, monkeypatch, capsys):
    calls = []

    def call(words, cwd, env):
        calls.append((words, cwd, env["JUPYTER_TOKEN"]))
        return 0

    monkeypatch.setattr(subprocess, "call", call)
    monkeypatch.setattr(lab, "has_browser", lambda: False)
    monkeypatch.setattr(lab, "pick_port", lambda port: port)
    assert lab.serve(tmp_path, port=8890) == 0
    ((words, cwd, token),) = calls
    assert cwd == tmp_path and "--no-browser" in words
    shown = capsys.readouterr().out
    assert "Open this address in a browser" in shown
    assert f"http://127.0.0.1:8890/lab/tree/notebooks/00_start_here.ipynb?token={token}" in shown


def test_an_interrupt_is_left_to_the_server_while_it_runs(tmp_path, monkeypatch):
    def call(words, cwd, env):
        signal.raise_signal(signal.SIGINT)  # as Ctrl+C does, to the whole group of processes
        return 0

    monkeypatch.setattr(subprocess, "call", call)
    before = signal.getsignal(signal.SIGINT)
    assert lab.serve(tmp_path) == 0
    assert signal.getsignal(signal.SIGINT) is before


def test_a_machine_without_a_screen_has_no_browser(monkeypatch):
    monkeypatch.setattr(lab.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"):
        monkeypatch.delenv(name, raising=False)
    assert not lab.has_browser()


def test_a_screen_alone_is_not_enough(monkeypatch):
    def none():
        raise webbrowser.Error("none")

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(webbrowser, "get", none)
    assert not lab.has_browser()
    monkeypatch.setattr(webbrowser, "get", lambda: object())
    assert lab.has_browser()
