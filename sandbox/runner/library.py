"""What a tool can find out of the workspace's functions, in modern words and in those that BabyAGI's packs use."""

import types
from collections.abc import Callable
from typing import Any

from .line import HostRefused, Line

LIST, READ, VERSIONS = "functions.list", "functions.read", "functions.versions"

# What BabyAGI lets any function do and nothing that runs here may: what to do instead.
_FOR_PEOPLE = {
    "add_function": "Functions are written by people and by tasks.",
    "update_function": "Versions of functions are written by people and by tasks.",
    "register_function": "Functions are written by people and by tasks.",
    "activate_function_version": "Which version is active is decided on the function's page.",
    "load_function_pack": "Packs are loaded by people.",
    "load_functions_from_file": "Packs are loaded by people.",
    "add_key": "Secrets are set by people, on the page Secrets.",
    "get_all_secret_keys": "A function has the secrets that it was granted, as environment variables; none can list them all.",
    "add_trigger": "Rules are made by people.",
    "get_triggers_for_function": "Rules are made by people, and are on the function's page.",
    "get_logs": "Runs and their logs are on the page Runs.",
}


class NotForCode(RuntimeError):
    """A running function cannot do this; says who can."""


def members_of(line: Line, call: Callable[..., Any]) -> dict[str, Any]:
    """The members of `func` that are about functions. `call` calls one by name, with arguments by name."""
    library = _Library(line, call)
    found: dict[str, Any] = {name: _refusing(name, reason) for name, reason in _FOR_PEOPLE.items()}
    for member in (
        library.functions, library.source, library.get_function, library.get_all_functions, library.get_function_versions,
        library.get_function_imports, library.get_all_imports, library.execute_function, library.display,
    ):  # fmt: skip
        found[member.__name__] = member
    reading = {name: found[name] for name in ("get_function", "get_all_functions", "get_function_versions")}
    found["db"] = types.SimpleNamespace(**reading, add_log=library.add_log, update_log=library.add_log)
    found["registrar"] = types.SimpleNamespace(**{name: found[name] for name in ("add_function", "update_function")})
    found["executor"] = types.SimpleNamespace(execute=library.execute_function)
    return found


class _Library:
    def __init__(self, line: Line, call: Callable[..., Any]) -> None:
        self._line, self._call = line, call

    def functions(self) -> list[dict[str, Any]]:
        """What there is to call: name, description, tags, version and input schema of each function, by name."""
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            told = self._line.ask(LIST, {"after": after})
            found += told["functions"]
            if not (after := told["next"]):
                return found

    def source(self, name: str) -> str:
        """The source of a function's active version.

        Raises: HostRefused when there is none of this name.
        """
        return str(self._line.ask(READ, {"name": name})["source"])

    def get_function(self, name: str) -> dict[str, Any] | None:
        """A function as BabyAGI tells of it, or None."""
        try:
            return _as_babyagi(self._line.ask(READ, {"name": name}))
        except HostRefused:
            return None

    def get_all_functions(self) -> list[dict[str, Any]]:
        """All functions as BabyAGI tells of them."""
        return [_as_babyagi(self._line.ask(READ, {"name": each["name"]})) for each in self.functions()]

    def get_function_versions(self, name: str) -> list[dict[str, Any]]:
        """The versions of a function, oldest first."""
        return [_as_babyagi(each) for each in self._line.ask(VERSIONS, {"name": name})]

    def get_function_imports(self, name: str) -> list[dict[str, str]]:
        """The modules that a function imports."""
        found = self.get_function(name)
        return found["imports"] if found else []

    def get_all_imports(self) -> list[dict[str, str]]:
        """The modules that functions import, each once."""
        modules = {each["name"] for function in self.get_all_functions() for each in function["imports"]}
        return [{"name": name, "source": "external"} for name in sorted(modules)]

    def execute_function(self, function_name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a function by its name, with arguments by place or by name."""
        kwargs.pop("parent_log_id", None)  # calls are told by themselves here
        if args:
            names = list(self._line.ask(READ, {"name": function_name})["schema"].get("properties", {}))
            if len(args) > len(names):
                raise TypeError(f"{function_name} takes {len(names)} arguments, not {len(args)}")
            kwargs = {**dict(zip(names, args, strict=False)), **kwargs}
        return self._call(function_name, **kwargs)

    def display(self) -> str:
        """All functions as a text: name, version, description."""
        return "\n".join(f"{each['name']} v{each['version']}: {each['description']}" for each in self.functions())

    def add_log(self, *_: Any, **__: Any) -> int:
        """BabyAGI's functions keep their own log; here calls, output and results are kept by themselves."""
        return 0


def _as_babyagi(told: dict[str, Any]) -> dict[str, Any]:
    properties = told["schema"].get("properties", {})
    return {
        "name": told["name"],
        "version": told["version"],
        "code": told["source"],
        "metadata": {"description": told["description"]},
        "input_parameters": [{"name": name, "type": schema.get("type", "Any")} for name, schema in properties.items()],
        "output_parameters": [{"name": "output", "type": told["output_schema"].get("type", "Any")}],
        "dependencies": told["dependencies"],
        "imports": [{"name": name, "source": "external"} for name in told["imports"]],
        "triggers": [],
        "is_active": told["is_active"],
        "created_date": told["created_at"],
    }


def _refusing(name: str, reason: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise NotForCode(f"func.{name}: a running function cannot do this. {reason}")

    refuse.__name__ = name
    refuse.__doc__ = f"Not for running functions. {reason}"
    return refuse
