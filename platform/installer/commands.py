"""The commands, from run and prod to doctor. Each is a short story of steps told elsewhere."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Optional

from . import assets, image, python, quality
from .application import Application, describe_sign_ins
from .docker import RUNTIME
from .doctor import examine
from .environment import process_environment
from .errors import SetupError, Stopped
from .home import Home, choose_home
from .machine import check_sudo, chosen_port, free_port, probe_machine
from .progress import Progress
from .setup import Setup
from .shape import EMBEDDED, PRODUCTION, Shape, production_shape
from .shell import Result, Shell
from .stack import STOP_SIGNALS, Stack
from .supervise import Supervisor, runs_here
from .system import SYSTEM_FOLDERS, install_browser

CHECKOUT = Path(__file__).resolve().parents[2]
INTERRUPTED = 130
FIRST_ACCOUNT = """
  No accounts were made. Make the first from another terminal:
    SELFSMITH_HOME={home} {python} manage.py create_owner --username NAME --email ADDRESS --workspace SLUG"""
LOG_LINES = 20
TEMPORARY = "/var/tmp"  # on the disk: /tmp may be in memory, and too small for what a demo makes


def main(arguments: Sequence[str]) -> int:
    """Runs one command; what goes wrong is one sentence and an advice, never a traceback."""
    parser = argparse.ArgumentParser(prog="installer", description="Sets Selfsmith up on this machine and runs it.")
    parser.add_argument("command", choices=sorted([*COMMANDS, *COMMANDS_WITH_OPTIONS]))
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="for `test`, `check`, `chaos` and `bench`: options of their own")
    options = parser.parse_args(arguments)
    for number in STOP_SIGNALS:
        signal.signal(number, on_signal)
    try:
        if options.command in COMMANDS_WITH_OPTIONS:
            return COMMANDS_WITH_OPTIONS[options.command](options.rest)
        return COMMANDS[options.command]()
    except SetupError as error:
        print(f"\nSelfsmith cannot go on: {error.sentence}\nWhat to do: {error.advice}", file=sys.stderr, flush=True)
        return 1
    except Stopped:
        return INTERRUPTED


def on_signal(_number: int, _frame: Optional[FrameType]) -> None:
    raise Stopped


def make_setup(home: Optional[Home] = None, port: Optional[int] = None, shape: Shape = EMBEDDED) -> Setup:
    """Looks at the machine and the variables that a person may set."""
    machine = probe_machine()
    setup = Setup(
        checkout=CHECKOUT,
        home=home or choose_home(os.environ, CHECKOUT, is_root=machine.is_root),
        machine=machine,
        shell=Shell(),
        progress=Progress(),
        port=port or chosen_port(os.environ),
        shape=shape,
    )
    note = "" if machine.is_tried else ", on which it was never tried"
    setup.progress.say(f"Selfsmith on {machine.name}{note}; data in {setup.home.path}")
    check_sudo(machine)
    return setup


def run() -> int:
    """Sets up what is missing, starts everything, and stays until it is stopped."""
    started = time.monotonic()
    setup = make_setup()
    with Stack(setup) as stack:
        try:
            sandbox = stack.bring_up()
            accounts = stack.pool.submit(make_accounts, stack.application)
            stack.serve()
            if not sandbox.done():
                setup.progress.say(
                    f"\n  The sign-in page is up at {stack.application.address}; the sandbox is still being prepared.\n"
                )
            sandbox.result()
            stack.start_workers()
            setup.progress.say(accounts.result())
            seconds = time.monotonic() - started
            setup.progress.say(
                f"\nREADY  {stack.application.address}  after {seconds:.0f} s. Ctrl-C stops it and keeps the data."
            )
            stack.supervisor.wait()
        except Stopped:
            setup.progress.say("\nStopping; the data stays.")
            return 0
    raise SetupError("The supervisor ended by itself.", f"See {setup.home.logs / 'supervisord.log'}.")


def prod() -> int:
    """Production processes: several webs and workers behind the operator's proxy, private engines, no seeded accounts."""
    shape = production_shape(os.environ)
    setup = make_setup(shape=shape)
    with Stack(setup) as stack:
        try:
            sandbox = stack.bring_up()
            stack.serve()
            sandbox.result()
            stack.start_workers()
            if shape.webs:
                setup.progress.say(FIRST_ACCOUNT.format(home=setup.home.path, python=setup.tool("python")))
            setup.progress.say(f"\nREADY  {', '.join([*map(stack.application.address_of, shape.webs), *shape.workers])}")
            stack.supervisor.wait()
        except Stopped:
            setup.progress.say("\nStopping; running work is handed back, the data stays.")
            return 0
    raise SetupError("The supervisor ended by itself.", f"See {setup.home.logs / 'supervisord.log'}.")


def rolling_restart() -> int:
    """Starts the processes of a running `make prod` anew, one after the other, so that somebody always serves."""
    setup = make_setup(shape=production_shape(os.environ))
    supervisor = Supervisor(setup)
    if not runs_here(setup):
        raise SetupError("Selfsmith does not run here.", "Start it: `make prod`.")
    application = Application(setup, process_environment(setup, os.environ))
    for name in setup.shape.names:
        with setup.progress.step(name):
            supervisor.restart(name)
            if name in setup.shape.webs:
                application.wait_for_sign_in_page(supervisor, name)
    return 0


def assemble() -> int:
    """What an image of the platform needs besides its sources: packages, and what pages load. Starts nothing and makes no key."""
    with tempfile.TemporaryDirectory() as folder:
        setup = make_setup(Home(Path(folder)), free_port(), Shape(settings=PRODUCTION))
        for place in (setup.home.run, setup.home.logs):
            place.mkdir()
        setup.shell.log = setup.home.logs / "setup.log"
        with setup.progress.step("Python packages") as step:
            python.prepare_environment(setup, step, groups=assets.needed_groups())
        none = dict.fromkeys(("SELFSMITH_SECRET_KEY", "SELFSMITH_VAULT_ROOT_KEY", "SELFSMITH_HOSTS"), "none")
        application = Application(setup, {**none, "SELFSMITH_HOME": folder, "PATH": f"{setup.venv / 'bin'}:{SYSTEM_FOLDERS}"})
        with setup.progress.step("front end") as step:
            assets.fetch_packages(setup, application.environment, step)
            application.collect_assets()
    return 0


def box_image() -> int:
    """Makes the image of the boxes unless Docker has it, and names it last."""
    setup = make_setup()
    with setup.progress.step("box image", announce=True) as step:
        image.prepare_image(setup, step)
    setup.progress.say(image.tag())
    return 0


def make_accounts(application: Application) -> str:
    """The seeded accounts with new passwords, unless SEED=no; gives what to tell a person about signing in."""
    if os.environ.get("SEED", "yes").lower() == "no":
        return FIRST_ACCOUNT.format(home=application.setup.home.path, python=application.setup.tool("python"))
    with application.setup.progress.step("accounts"):
        sign_ins = application.seed()
    return f"\n  Sign-ins, new at every start (`make sign-ins` makes others):\n{describe_sign_ins(sign_ins)}"


def sign_ins() -> int:
    """New passwords for the seeded accounts of the installation that runs."""
    setup = make_setup()
    if not runs_here(setup):
        raise SetupError("Selfsmith does not run.", "Start it first (`make run`), then ask again from another terminal.")
    if PRODUCTION in setup.home.environment_file.read_text():
        raise SetupError(
            "This installation has no seeded accounts: it runs for production.", "Make one: `manage.py create_owner`."
        )
    setup.progress.say(describe_sign_ins(Application(setup, process_environment(setup, os.environ)).seed()))
    return 0


def demo() -> int:
    """Plays the main job headless in an installation of its own, and leaves nothing of it."""
    home = Home(Path(tempfile.mkdtemp(prefix="selfsmith-demo-", dir=TEMPORARY)))
    try:
        played = play(make_setup(home, free_port()))
        if not played.ok:
            show_logs(home)
    except SetupError:
        show_logs(home)  # the error names a log that is about to be removed
        raise
    finally:
        shutil.rmtree(home.path)
    print(played.last_line, flush=True)
    if os.environ.get("SANDBOX_RUNTIME", RUNTIME) != RUNTIME:
        raise SetupError("The demo ran without gVisor, so it proves nothing.", "Run it again without SANDBOX_RUNTIME.")
    return played.code


def show_logs(home: Home) -> None:
    """The end of every log, on standard error."""
    for log in sorted(home.logs.glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        print(f"--- {log.name}", *lines, sep="\n", file=sys.stderr, flush=True)


def play(setup: Setup) -> Result:
    """Starts everything and lets `play_demo` do what people would do over HTTP; its last line tells how it ended."""
    with Stack(setup) as stack:
        sandbox = stack.bring_up()
        stack.serve()
        sandbox.result()
        stack.start_workers()
        people = "".join(json.dumps(vars(entry)) + "\n" for entry in stack.application.seed())
        return stack.application.play(people, on_line=lambda line: None if is_object(line) else setup.progress.say(f"    {line}"))


def is_object(line: str) -> bool:
    """Whether it is the line that must come last, which is held back until all is cleaned up."""
    return line.startswith("{")


def test(rest: list[str]) -> int:
    """Runs the whole suite on engines of its own, with a sandbox and a browser. What follows goes to pytest."""
    setup = make_setup(test_home(), free_port())
    with Stack(setup) as stack:
        sandbox = stack.bring_up(groups=("dev",))
        sandbox.result()
        stack.step("browser", lambda step: install_browser(setup, step), announce=True)
        setup.progress.say("")
        return quality.run_tests(stack.application, rest)


def check(rest: list[str]) -> int:
    """What needs no box and no browser: style, types, layers, templates, migrations, fast tests."""
    setup = make_setup(test_home(), free_port())
    with Stack(setup) as stack:
        stack.bring_up_database(groups=("dev",))
        setup.progress.say("")
        return quality.run_checks(stack.application) or quality.run_tests(stack.application, ["-m", quality.FAST, *rest])


def lint() -> int:
    """The checks alone, without tests."""
    setup = make_setup(test_home(), free_port())
    with Stack(setup) as stack:
        stack.bring_up_database(groups=("dev",))
        return quality.run_checks(stack.application)


def chaos(rest: list[str]) -> int:
    """Breaks things under a running installation of its own and checks what was promised. What follows are its options."""
    setup = make_setup(test_home(), free_port())
    with Stack(setup) as stack:
        stack.bring_up(groups=("dev",)).result()
        setup.progress.say("")
        summary = setup.home.run / "chaos.json"
        summary.unlink(missing_ok=True)
        code = quality.call(stack.application, ("python", "-m", "tests.chaos", f"--summary={summary}", *rest), {})
    if summary.is_file():  # it comes last, when all is cleaned up
        print(summary.read_text(), flush=True)
    return code


def bench(rest: list[str]) -> int:
    """Measures, on engines of its own. What follows are its options."""
    setup = make_setup(test_home(), free_port())
    with Stack(setup) as stack:
        stack.bring_up(groups=("dev",)).result()
        setup.progress.say("")
        return quality.call(stack.application, ("python", "-m", "benchmarks", *rest), {})


def test_home() -> Home:
    """Tests have a home of their own beside the real one, kept so that the next time is fast."""
    return Home(choose_home(os.environ, CHECKOUT, is_root=os.geteuid() == 0).path / "test")


def attack() -> int:
    """Fires the hostile programs at this installation's boxes, and starts it for that unless it runs; 1 when one got out."""
    setup = make_setup()
    words = ["python", "manage.py", "attack", *(["--only", os.environ["ONLY"]] if os.environ.get("ONLY") else [])]
    if runs_here(setup):
        return quality.call(Application(setup, process_environment(setup, os.environ)), words, {})
    with Stack(setup) as stack:
        stack.bring_up().result()
        setup.progress.say("")
        return quality.call(stack.application, words, {})


def doctor() -> int:
    """Says what of the set-up is there and what is not; changes nothing."""
    return examine(make_setup())


COMMANDS: dict[str, Callable[[], int]] = {
    "run": run,
    "prod": prod,
    "assemble": assemble,
    "box-image": box_image,
    "rolling-restart": rolling_restart,
    "demo": demo,
    "attack": attack,
    "lint": lint,
    "sign-ins": sign_ins,
    "doctor": doctor,
}
COMMANDS_WITH_OPTIONS: dict[str, Callable[[list[str]], int]] = {"test": test, "check": check, "chaos": chaos, "bench": bench}
