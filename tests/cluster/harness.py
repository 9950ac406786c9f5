"""A host in a folder: runs the units of a rendered node with real programs, without systemd and without a machine.

    with Host(rendered, folder, bins, own="127.0.1.1") as host:
        host.start("etcd.service")
        host.start("kube-apiserver.service")
        host.wait_for("https://127.0.1.1:6443/readyz", ca=host.path("/opt/kubernetes/ssl/ca.pem"))

Nodes of such a cluster have addresses out of 127.0.1.0/24, which are all this machine: members use the same ports on
different addresses. What a unit binds to 127.0.0.1 would still meet on one port; `own` puts the host's own address
in its place.

Not systemd's: no order or dependency between units (the test starts them), no Restart=, no cgroup, no sandboxing
settings (User=, ProtectSystem= and the like are ignored: everything runs as the user of the tests), no timers.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import unitfile

# what of a host lies below the host's folder here; everything else is the real machine's
PREFIXES = ("/opt/kubernetes", "/opt/etcd", "/var/lib/etcd", "/var/log/kubernetes", "/run")
UNITS = "/etc/systemd/system"
# systemd's for system services; there is no HOME either, unless User= is set
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
STOP_SECONDS = 20


class Host:
    """The files of one node below `folder`, and the processes that its units started.

    `rendered` has `files` (path -> bytes), `modes` (path -> mode) and `plan.payload` (the programs); each program that
    `bins` holds is linked to its place. `replace`: further texts to put in place of others, as whole words.
    """

    def __init__(self, rendered, folder, bins, *, own=None, replace=None, prefixes=PREFIXES):
        self.folder = Path(folder).resolve()
        self.bins = Path(bins).resolve()
        self.processes = {}
        self._replace = ({"127.0.0.1": own} if own else {}) | (replace or {})
        self._prefixes = prefixes
        self.path("/run").mkdir(parents=True, exist_ok=True)
        (self.folder / "log").mkdir(exist_ok=True)
        for path, content in rendered.files.items():
            self.write(path, content, rendered.modes.get(path, 0o644))
        for file in rendered.plan.payload:
            self._link(file.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop_all()

    # files

    def path(self, path):
        """Where a path of the host lies."""
        return self.folder / str(path).lstrip("/")

    def write(self, path, content, mode=0o644):
        """A file of the host, its paths rewritten if it is text."""
        place = self.path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(self._rewrite_bytes(content))
        place.chmod(mode)
        return place

    def _rewrite_bytes(self, content):
        # base64 may hold anything, "/run/" too
        if content.startswith(b"-----BEGIN "):
            return content
        try:
            return self.rewrite(content.decode()).encode()
        except UnicodeDecodeError:
            return content

    def rewrite(self, text):
        """Host paths and `replace` in a text, in one pass: what was put in is not looked at again."""
        prefixes = "|".join(re.escape(prefix) for prefix in sorted(self._prefixes, key=len, reverse=True))
        # a path starts after what cannot belong to a path (- and + may: ExecStart=-/opt/...), or after unix://, and goes
        # on with / or ends
        pattern = rf"(?P<path>(?:(?<=://)|(?<![\w./]))(?:{prefixes})(?![\w.+-]))"
        if self._replace:
            texts = "|".join(re.escape(text) for text in sorted(self._replace, key=len, reverse=True))
            pattern += rf"|(?<![\w.])(?P<text>{texts})(?![\w]|\.\d)"
        return re.sub(pattern, lambda m: f"{self.folder}{m[0]}" if m["path"] else self._replace[m[0]], text)

    def _link(self, path):
        program = self.bins / Path(path).name
        if program.exists():
            place = self.path(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            # the program itself, not the link to it: Go programs look for their neighbours there
            place.symlink_to(program.resolve())

    # units

    def service(self, unit):
        """The unit as it lies on the host, drop-ins after it."""
        place = self.path(f"{UNITS}/{unit}")
        drop_ins = sorted(place.with_name(f"{unit}.d").glob("*.conf"))
        return unitfile.service("\n".join(file.read_text() for file in (place, *drop_ins)))

    def environ(self, service):
        """The environment of its processes: Environment=, and above it the files in their order."""
        environ = ENVIRONMENT | service.environment
        for path, may_be_missing in service.environment_files:
            file = self._here(path)
            if file.exists() or not may_be_missing:
                environ |= unitfile.environment_file(file.read_text())
        return environ

    def argv(self, unit):
        """The words of its last ExecStart, as the program gets them."""
        service = self.service(unit)
        return service.start[-1].argv(self.environ(service))

    def _here(self, path):
        """A path out of a unit that is rewritten already, or lies elsewhere on the host (/etc/default/...)."""
        return Path(path) if Path(path).is_relative_to(self.folder) else self.path(path)

    def log(self, unit):
        """What its processes have written so far, over all starts."""
        file = self._log(unit)
        return file.read_text(errors="replace") if file.exists() else ""

    def _log(self, unit):
        return self.folder / "log" / f"{unit}.log"

    def start(self, unit, seconds=90):
        """Start a unit; comes back when systemd would call it active: a oneshot has ended well, a notify service has
        said READY=1, anything else runs."""
        assert not self.running(unit), f"{unit} runs already"
        self.stop(unit)  # what a start that ended by itself has left
        service = self.service(unit)
        environ = self.environ(service)
        for command in service.start_pre:
            self._run(unit, command, environ, seconds)
        if service.type == "oneshot":
            for command in service.start:
                self._run(unit, command, environ, seconds)
        else:
            (main,) = service.start
            with _notified() if service.type == "notify" else _nobody() as notify:
                extra = {"NOTIFY_SOCKET": notify.address} if notify else {}
                self.processes[unit] = process = self._spawn(unit, main.argv(environ), environ | extra)
                if notify:
                    self._until(unit, process, notify.ready, seconds)
        for command in service.start_post:
            self._run(unit, command, environ, seconds)

    def _until(self, unit, process, ready, seconds):
        end = time.monotonic() + seconds
        while not ready():
            self._assert_alive(unit, process)
            assert time.monotonic() < end, f"{unit} is not ready after {seconds} s:\n{self._tail(unit)}"

    def _assert_alive(self, unit, process):
        code = exit_code(process)
        assert code is None, f"{unit} ended with {code}:\n{self._tail(unit)}"

    def _run(self, unit, command, environ, seconds):
        process = self._spawn(unit, command.argv(environ), environ)
        try:
            code = _wait(process, seconds)
        finally:
            _end(process)
        assert code is not None, f"{unit}: {command.words} still runs after {seconds} s:\n{self._tail(unit)}"
        assert code == 0 or command.may_fail, f"{unit}: {command.words} exited with {code}:\n{self._tail(unit)}"

    def _spawn(self, unit, argv, environ):
        # setpriv keeps the process's id; should this Python be killed, the kernel ends the process
        guard = [shutil.which("setpriv"), "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        with self._log(unit).open("ab") as log:
            log.write(f"--- {' '.join(argv)}\n".encode())
            log.flush()
            return subprocess.Popen(
                [*guard, *argv],
                env=environ,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def running(self, unit):
        process = self.processes.get(unit)
        return process is not None and exit_code(process) is None

    def stop(self, unit):
        """SIGTERM, and SIGKILL after STOP_SECONDS; nothing when it does not run."""
        process = self.processes.pop(unit, None)
        if process is not None:
            _end(process)

    def kill(self, unit):
        """As a crash: SIGKILL at once."""
        process = self.processes.pop(unit)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop_all(self):
        """The last one started goes first."""
        for unit in reversed(list(self.processes)):
            self.stop(unit)

    def wait_for(self, what, seconds=60, **how):
        """Wait for a URL's 200 (`how`: see `get`) or for a function's true value, which is given back. A unit that
        dies meanwhile fails the test at once, its log told."""
        end = time.monotonic() + seconds
        last = None
        while time.monotonic() < end:
            try:
                last = get(what, **how) if isinstance(what, str) else what()
            except (OSError, AssertionError, ValueError, subprocess.SubprocessError) as error:
                last = error
            else:
                if last and (not isinstance(what, str) or last[0] == 200):
                    return last
            for unit, process in self.processes.items():
                self._assert_alive(unit, process)
            time.sleep(0.2)
        logs = "\n".join(f"== {unit}\n{self._tail(unit, 15)}" for unit in self.processes)
        raise AssertionError(f"{what} not after {seconds} s; the last answer: {last}\n{logs}")

    def _tail(self, unit, lines=40):
        return "\n".join(self.log(unit).splitlines()[-lines:])


def get(url, *, ca=None, certificate=None, key=None, token=None, seconds=5):
    """(status, body) of a GET. Without `ca` the server's certificate is not looked at."""
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    if not ca:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(str(certificate), str(key))
    # a proxy of the environment has no business with 127.0.0.0/8
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with opener.open(request, timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


class _Notify:
    """systemd's end of sd_notify, on an abstract socket: a path of the tests' may be too long for one."""

    def __init__(self, end):
        self._end = end
        self._end.settimeout(0.1)
        self.address = "@" + end.getsockname()[1:].decode()

    def ready(self):
        try:
            return b"READY=1" in self._end.recv(4096).splitlines()
        except TimeoutError:
            return False


@contextmanager
def _notified():
    # closed afterwards: a program that goes on to notify finds nobody there, rather than a queue that is full
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind("")  # the kernel picks an abstract name
        yield _Notify(end)


@contextmanager
def _nobody():
    yield None


def exit_code(process):
    """None while it runs. It is not reaped by this, so that its id, and its group's, stays its own until `_end`."""
    if process.returncode is not None:
        return process.returncode
    found = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def _wait(process, seconds):
    end = time.monotonic() + seconds
    while exit_code(process) is None and time.monotonic() < end:
        time.sleep(0.02)
    return exit_code(process)


def _end(process):
    """End a process and what it has started in its session; harmless when it has ended."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGTERM)
        _wait(process, STOP_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
