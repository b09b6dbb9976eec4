"""From a function that adds tasks to a kfp pipeline with its parameters and its exit handler."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from kfp import dsl

from pipelines.parameters import DESCRIPTIONS, PipelineName, names
from pipelines.profile import Profile
from pipelines.tasks import Tasks


def assemble(
    name: PipelineName,
    profile: Profile,
    build: Callable[[Tasks], None],
    values: Mapping[str, str],
) -> Any:
    """A kfp pipeline of the tasks that `build` adds, with notify at its end whatever happens.

    Args:
        name: of the pipeline.
        profile: the cluster it is made for.
        build: adds the tasks; its docstring becomes the pipeline's description.
        values: what parameters are when a run doesn't say.
    """
    defaults = {"as_of": "", "store": profile.store, **values}
    # Parameters without a default first, as Python wants them.
    parameters = sorted(names(name), key=lambda parameter: parameter in defaults)

    def pipeline(*channels: Any) -> None:
        tasks = Tasks(profile, dict(zip(parameters, channels, strict=True)))
        with dsl.ExitHandler(tasks.notify(), name=name):
            build(tasks)

    # kfp reads a pipeline's parameters from the signature of its function, and what they mean
    # from its docstring.
    pipeline.__signature__ = _signature(parameters, defaults)  # type: ignore[attr-defined]
    lines = [f"    {parameter}: {DESCRIPTIONS[parameter]}" for parameter in parameters]
    pipeline.__doc__ = "\n".join([inspect.getdoc(build) or "", "", "Args:", *lines])
    return dsl.pipeline(name=f"groundshift-{name}", display_name=f"groundshift {name}")(pipeline)


def _signature(parameters: list[str], defaults: Mapping[str, str]) -> inspect.Signature:
    return inspect.Signature(
        [
            inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=defaults.get(name, inspect.Parameter.empty),
                annotation=str,
            )
            for name in parameters
        ]
    )
