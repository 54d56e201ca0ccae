"""Start JupyterLab at the first lesson."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import webbrowser
from pathlib import Path

FIRST_LESSON = "notebooks/00_start_here.ipynb"
FIRST_PORT = 8888


def serve(root: Path, *, port: int | None = None) -> int:
    """Serve the course until it is interrupted; prints the address, opens a browser if any.

    Args:
        root: the folder of the clone.
        port: the port to listen on; None takes the first free one from 8888.

    Returns:
        JupyterLab's exit status.
    """
    port = pick_port(port)
    token = secrets.token_urlsafe(24)
    browser = has_browser()
    where = "It opens in your browser" if browser else "Open this address in a browser"
    print(f"{where}; end it with Ctrl+C:\n\n    {lesson_url(port, token)}\n", flush=True)
    # Ctrl+C reaches JupyterLab too: let it end and say so, and leave only after it.
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        return subprocess.call(
            command(port, browser=browser),
            cwd=root,
            env={**os.environ, "JUPYTER_TOKEN": token},
        )
    finally:
        signal.signal(signal.SIGINT, before)


def lesson_url(port: int, token: str) -> str:
    """The address of the first lesson."""
    return f"http://127.0.0.1:{port}/lab/tree/{FIRST_LESSON}?token={token}"


def command(port: int, *, browser: bool) -> list[str]:
    """The command line that starts JupyterLab on ``port``."""
    words = [sys.executable, "-m", "jupyterlab", f"--port={port}", "--ServerApp.port_retries=0"]
    words += [f"--LabApp.default_url=/lab/tree/{FIRST_LESSON}", "--LabApp.news_url=None"]
    words.append("--ServerApp.answer_yes=True")
    if not browser:
        words.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        words.append("--allow-root")  # in a container one often is root, and Jupyter would refuse
    return words


def pick_port(port: int | None) -> int:
    """``port`` if it is free; for None the first free one from 8888.

    Raises:
        ValueError: if the port is not one, or is taken.
    """
    candidates = range(FIRST_PORT, FIRST_PORT + 100) if port is None else [port]
    for candidate in candidates:
        if not 1 <= candidate <= 65535:
            raise ValueError(f"port must lie in 1-65535; got {candidate}. Try {FIRST_PORT}.")
        if _is_free(candidate):
            return candidate
    raise ValueError(
        f"port must be free; {candidates[0]} is taken on this machine. "
        f"Try another: make lab PORT={candidates[-1] + 1}"
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def has_browser() -> bool:
    """Whether a graphical browser can be opened from here."""
    headless = sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY")
        or os.environ.get("WAYLAND_DISPLAY")
        or "WSL_DISTRO_NAME" in os.environ
    )
    if headless:
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
