"""What the six stages' command lines share: options, logging, exit codes.

A stage declares its own folders and flags and returns a `Summary`; `command` adds the options
that every stage takes, finds the inputs, and brings the output to where it belongs:

    @shell.command(app, "stack")
    def main(task: Task[StackStage], observations: shell.Input, cube: shell.Output) -> Summary:
        return run(task.settings, observations=observations, cube=cube)

Folders are declared in the order in which they are made: the last one given is written, all
before it are read.
"""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar, get_args

import typer

from components.execution import Verb, execute
from components.folders import Folder
from components.options import (
    Between,
    Common,
    Input,
    OptionalInput,
    OptionalOutput,
    Output,
    folder,
)
from components.task import Task
from groundshift.artifacts import Summary

__all__ = [
    "Between",
    "Folder",
    "Input",
    "OptionalInput",
    "OptionalOutput",
    "Output",
    "Task",
    "app",
    "command",
    "folder",
]

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _OneCommand(typer.Typer):
    """A command line of one command, whose help ends as the application's would.

    Typer shows an application's epilog only where it has several commands.
    """

    def command(self, *args: Any, **options: Any) -> Callable[[_Command], _Command]:
        """Register the command."""
        return super().command(*args, **{"epilog": self.info.epilog} | options)


def app(stage: str, example: str) -> typer.Typer:
    """A stage's command line, with one example at the end of its help."""
    return _OneCommand(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=f"Example: python -m components.{stage} {example}",
    )


def command(app: typer.Typer, stage: str) -> Callable[[Callable[..., Summary]], None]:
    """Register a stage's function as its command, with the options that every stage takes.

    The function gets a `Task`, then by name its own folders (inputs where they really lie, the
    output where it is to be written, None for what is not given) and its flags.

    Args:
        app: the stage's command line.
        stage: its name.
    """

    def register(function: Callable[..., Summary]) -> None:
        _, *own = inspect.signature(function).parameters.values()
        marks = {
            parameter.name: mark
            for parameter in own
            for mark in get_args(parameter.annotation)
            if isinstance(mark, Folder)
        }
        verb = Verb(stage, function, marks)

        def run(**values: Any) -> None:
            common = Common(**{field.name: values.pop(field.name) for field in fields(Common)})
            execute(verb, common, values)

        options = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in (*own, *inspect.signature(Common).parameters.values())
        ]
        # Typer makes the options from what a function says of itself.
        run.__doc__ = function.__doc__
        run.__annotations__ = {option.name: option.annotation for option in options}
        run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        app.command()(run)

    return register
