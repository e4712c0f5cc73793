"""`make compose-trial` (root): docker-compose.yml with images made here, from what is committed.

Builds a Debian base by debootstrap (no registry of images is asked), the two images on it, starts two webs and two workers behind
the proxy, kills one of each, plays the demo over HTTP on those that are left, and removes all but the base. The last line is the
demo's result. docker-compose comes from the machine; `apt-get install docker-compose` brings it on Debian 12 and 13.
"""

import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
BASE = "selfsmith-base:trixie"
BUILD_FOLDER = "/var/tmp"  # on the disk, where device files may be made
MAKE_BASE = """\
set -euo pipefail
debootstrap --variant=minbase trixie "$1/root" http://deb.debian.org/debian
tar -C "$1/root" --one-file-system -c . | docker import - "$2"
"""
READY_SECONDS = 240


class Trial:
    """One installation under a name of its own. Everything with this name is removed in the end."""

    def __init__(self, folder: Path) -> None:
        self.name = f"selfsmith-trial-{secrets.token_hex(3)}"
        self.folder, self.keys, self.home = folder, folder / "keys", folder / "home"
        self.sources = folder / "sources"
        self.port = 18080
        self.variables = {
            "SELFSMITH_IMAGE": f"{self.name}:platform",
            "SELFSMITH_ENGINES_IMAGE": f"{self.name}:engines",
            "SELFSMITH_HOME": str(self.home),
            "SELFSMITH_INSTALLATION": self.name,
            "SELFSMITH_HOSTS": "127.0.0.1,proxy",
            "SELFSMITH_HTTPS": "no",
            "SELFSMITH_SITE": ":80",
            "SELFSMITH_HTTP_PORT": f"127.0.0.1:{self.port}:80",
            "SELFSMITH_HTTPS_PORT": f"127.0.0.1:{self.port + 1}:443",
            "SELFSMITH_KEYS": str(self.keys),
        }

    def prepare(self) -> None:
        """Keys, a home, the committed sources, and this machine's certificates for the build."""
        self.keys.mkdir(mode=0o700)
        self.home.mkdir()
        for name in ("django_secret_key", "database_password", "metrics_token"):
            (self.keys / name).write_text(secrets.token_urlsafe(48))
        (self.keys / "vault_root_key").write_text(base64.b64encode(secrets.token_bytes(32)).decode())
        self.sources.mkdir()
        run(f"git -C {CHECKOUT} archive HEAD | tar -x -C {self.sources}", shell=True)
        trusted = Path("/etc/ssl/certs/ca-certificates.crt")
        if trusted.is_file():
            shutil.copy(trusted, self.sources / "deploy" / "certificates" / "machine.crt")
        words = run([sys.executable, "platform/installer", "box-image"], cwd=CHECKOUT)
        self.variables["SELFSMITH_BOX_IMAGE"] = words.split()[-1]

    def build(self) -> None:
        """Both images, with the builder that needs no plug-in."""
        make_base()
        for part in ("engines", "platform"):
            say(f"image of {part}")
            options = [f"--build-arg=BASE={BASE}", f"--file=deploy/{part}.Dockerfile"]
            run(
                ["docker", "build", "--network=host", *options, f"--tag={self.name}:{part}", "."],
                cwd=self.sources,
                env={**os.environ, "DOCKER_BUILDKIT": "0"},
            )

    def compose(self, *words: str, text: str = "") -> str:
        command = ["docker-compose", "--project-name", self.name, "--file", "docker-compose.yml", *words]
        return run(command, cwd=self.sources, env={**os.environ, **self.variables}, text=text)

    def start(self) -> None:
        say("start")
        self.compose("up", "--detach", "--no-build", "--scale", "web=2", "--scale", "worker=2")
        wait_for(lambda: self.asks("/readyz"), "a ready web process behind the proxy")

    def asks(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def play(self) -> str:
        """The demo's people come through the proxy; what is printed last tells how it ended."""
        say("demo")
        people = self.compose("exec", "-T", "scheduler", "python", "manage.py", "seed_demo", "--passwords-to", "-")
        sign_ins = "".join(line + "\n" for line in people.splitlines() if line.startswith("{"))
        playing = ["exec", "-T", "scheduler", "python", "manage.py", "play_demo", "--url=http://proxy", "--sign-ins=-"]
        return self.compose(*playing, text=sign_ins).splitlines()[-1]

    def lose_containers(self) -> None:
        """One web and one worker are killed: what follows is done by the others."""
        say("killing a web and a worker")
        for service in ("web", "worker"):
            run(["docker", "kill", self.compose("ps", "-q", service).split()[0]])
        wait_for(lambda: self.asks("/readyz"), "the page from the other web process")

    def show_logs(self) -> None:
        """The end of what each container said, where there are any."""
        if self.sources.is_dir():
            sys.stderr.write(self.compose("logs", "--no-color", "--tail=30"))

    def remove(self) -> None:
        """Containers, volumes, networks, images and boxes of this trial, and nothing else."""
        say("removing")
        if self.sources.is_dir():
            self.compose("down", "--volumes", "--remove-orphans", "--timeout", "30")
        run([sys.executable, "-c", REMOVE_BOXES, self.name], cwd=CHECKOUT)
        for part in ("platform", "engines"):
            subprocess.run(["docker", "image", "rm", "--force", f"{self.name}:{part}"], check=False, capture_output=True)


REMOVE_BOXES = """
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, "platform")
from installer.docker import remove_containers
from installer.shell import Shell

remove_containers(SimpleNamespace(home=SimpleNamespace(installation=sys.argv[1]), shell=Shell()))
"""


def make_base() -> None:
    if subprocess.run(["docker", "image", "inspect", BASE], check=False, capture_output=True).returncode == 0:
        return
    say("Debian base")
    folder = tempfile.mkdtemp(prefix="selfsmith-base-", dir=BUILD_FOLDER)
    try:
        run(["unshare", "--mount", "--propagation", "private", "bash", "-c", MAKE_BASE, "base", folder, BASE])
    finally:
        shutil.rmtree(folder)


def run(words: "list[str] | str", *, text: str = "", **options: object) -> str:
    """A program that must succeed; gives what it printed."""
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        sys.exit(f"{words} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    output: str = done.stdout
    return output


def wait_for(condition: object, what: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            sys.exit(f"Within {READY_SECONDS} s there was not: {what}")
        time.sleep(1)


def say(text: str) -> None:
    sys.stderr.write(f"  {text}\n")


def main() -> None:
    if shutil.which("docker-compose") is None:
        sys.exit("docker-compose is not installed: `apt-get install docker-compose`.")
    with tempfile.TemporaryDirectory(prefix="selfsmith-compose-", dir=BUILD_FOLDER) as folder:
        trial = Trial(Path(folder))
        try:
            trial.prepare()
            trial.build()
            trial.start()
            trial.lose_containers()
            result = trial.play()
        except SystemExit:
            trial.show_logs()
            raise
        finally:
            trial.remove()
    sys.stdout.write(result + "\n")
    if json.loads(result)["state"] != "completed":
        sys.exit(1)


if __name__ == "__main__":
    main()
