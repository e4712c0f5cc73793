"""What an author is told about the end of a job: what happened, with figures, and what to change."""

import signal

from sandbox.limits import LIMITS, Amount, Limit

DONE = "Done."
"""What a job is told that went well and has nothing to add."""

_MET = {
    "wall_seconds": "The tool ran longer than {amount}, so it was stopped.",
    "cpu_seconds": "The tool used more than {amount} of processor time, so it was stopped.",
    "memory_bytes": "Out of memory at {amount}, of which up to 64 MiB are the box's own.",
    "scratch_bytes": "The tool wrote more to its folders than the {amount} that it may.",
    "processes": "The tool wanted more than {amount} processes and threads at a time.",
    "open_files": "The tool wanted more than {amount} files open at a time.",
    "output_bytes": "The tool printed more than twice {amount}, so it was stopped; the first {amount} of it is kept.",
    "result_bytes": "The result is larger than {amount} as JSON.",
    "requests": "The tool asked the platform for something more than {amount} times, so it was stopped.",
    "call_depth": "Functions called each other more than {amount} deep.",
}

_SIGNALS = {
    signal.SIGSEGV: "It touched memory that is not its own: a fault in native code, most likely of a package.",
    signal.SIGBUS: "It touched memory that is not there: a fault in native code, most likely of a package.",
    signal.SIGABRT: "It gave up by itself: a fault that native code, most likely of a package, found in itself.",
    signal.SIGILL: "The processor does not know an instruction: a package was built for another one.",
    signal.SIGFPE: "Native code divided by zero or overflowed, most likely of a package.",
    signal.SIGSYS: "It called the system for something that no tool may do.",
    signal.SIGKILL: "Nobody outside sent it: the tool, or a program that it started, did.",
    signal.SIGTERM: "Nobody outside sent it: the tool, or a program that it started, did.",
    signal.SIGXCPU: "It was not out of processor time: the tool, or a program that it started, sent it.",
}

_ADVICE = {
    "RecursionError": "A function calls itself too often for Python: let it end earlier, or use a loop.",
    "SystemExit": "Return to end well, and raise an error to let the run fail.",
    "NotJson": "Return numbers, texts, lists and dicts, or save it by func.save_artifact.",
    "TooDeep": "Return it flatter, or save it as a file by func.save_artifact.",
}


def at_limit(name: str, amount: Amount) -> str:
    """The end at a limit: which, at what figure, and what to do about it."""
    row = LIMITS[name]
    return f"{_MET[name].format(amount=row.show(amount))} {row.instead}{_or_raise(row, amount)}."


def of_error(kind: str, message: str) -> str:
    """The tool's own error, with advice where its type tells what to do."""
    said = f"{kind}: {message}" if message else kind
    advice = _ADVICE.get(kind)
    if advice is None:
        return said
    return f"{said}{'' if said.endswith('.') else '.'} {advice}"


def of_signal(number: int) -> str:
    """The tool's process was ended by a signal."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    why = _SIGNALS.get(number, "The tool, or a program that it started, sent it.")  # type: ignore[call-overload]  # signals are numbers
    return f"The tool's process was ended by {name} before the function returned. {why}"


def of_code(code: int | None) -> str:
    """The tool's process left by itself, without a result or an error."""
    return (
        f"The tool's process ended with exit code {code} before the function returned. "
        "Something called os._exit, or a copy of the process ended in its place: return from the function instead."
    )


def of_success(left_out: int) -> str:
    """It went well; perhaps not every file was kept."""
    if not left_out:
        return DONE
    files = "1 file was" if left_out == 1 else f"{left_out} files were"
    return f"Done, but {files} not kept; the output says which and why."


def _or_raise(row: Limit, amount: Amount) -> str:
    more = row.doubled(amount)
    return f", or raise the limit “{row.label}” to {row.show(more)}" if more is not None else ""
