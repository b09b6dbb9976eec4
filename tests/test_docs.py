"""What the pages say can be done: commands parse, files exist, tables are those of the settings."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer.main
import yaml

from groundshift.errors import GroundshiftError
from groundshift.settings import STAGES, load
from pipelines import profile
from pipelines.checks import parse
from pipelines.cli import app
from pipelines.compile import PIPELINES
from pipelines.kubeflow.schedule_file import ScheduleFile
from pipelines.parameters import arguments
from pipelines.profile_page import PAGE, tables, with_tables

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "demo" / "README.md"]
MAKEFILE = (ROOT / "Makefile").read_text()

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
MENTION = re.compile(r"`([^`\n]+)`")
INNER = re.compile(r"\$\(([^)]*)\)")
ASSIGNMENT = re.compile(r"\w+=\S*")
OURS = re.compile(
    r"(?<![\w/.:@=-])(?:benchmarks|components|demo|docker|docs|groundshift|pipelines|tests|weights)"
    r"/[\w./-]*\w"
)
MADE_BY_USERS = {"docker/.env"}


def words_of(line: str) -> list[str]:
    """A line of shell as words, if it runs one of our commands, without what leads up to it."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # prose in backquotes
        return []
    while words and ASSIGNMENT.fullmatch(words[0]):
        words.pop(0)
    if not words:
        return []
    words[0] = Path(words[0]).name
    stage = words[:2] == ["python", "-m"] and words[2].startswith("components.")
    return words if stage or words[0] in ("groundshift", "make") else []


def commands(page: Path) -> list[tuple[list[str], bool]]:
    """Our commands on a page: those in blocks are whole, those in a sentence may be only named."""
    text = page.read_text()
    blocks = [body for language, body in BLOCK.findall(text) if language in ("", "sh")]
    shell = "\n".join(blocks).replace("\\\n", " ")
    lines = [*INNER.sub("RUN", shell).splitlines(), *INNER.findall(shell)]
    mentions = MENTION.findall(BLOCK.sub("", text))
    found = [(words_of(line), False) for line in lines]
    found += [(words_of(mention), True) for mention in mentions]
    return [(words, named) for words, named in found if words]


def cases(wanted: str) -> list:
    """Parameters of a test: the commands of all pages that begin with a word."""
    return [
        pytest.param(words, named, id=f"{page.stem}: {' '.join(words)}")
        for page in PAGES
        for words, named in commands(page)
        if words[0] == wanted
    ]


def test_commands_are_found():
    assert len(cases("groundshift")) > 30
    assert {words[1] for words, _ in (case.values for case in cases("make"))} >= {"demo", "images"}
    assert cases("python")


@pytest.mark.parametrize(("words", "named"), cases("groundshift"))
def test_groundshift_understands_its_command(words, named):
    command, rest = typer.main.get_command(app), words[1:]
    while rest and hasattr(command, "commands"):
        command, rest = command.commands[rest[0]], rest[1:]
    if hasattr(command, "commands"):
        assert named
        return
    try:
        given = command.make_context(words[-1], rest).params
    except typer.BadParameter as error:
        if named and type(error).__name__ == "MissingParameter":
            return
        raise
    if "pipeline" in given:
        assert given["pipeline"] in PIPELINES
        if given.get("area") == "demo":
            arguments(given["pipeline"], "demo", ROOT / "params.yaml", given.get("overrides") or ())


@pytest.mark.parametrize(("words", "named"), cases("python"))
def test_stages_understand_their_commands(words, named):
    _, _, module, *rest = words
    if "--help" not in rest:
        parse(module, rest)
    assert (ROOT / module.replace(".", "/") / "__main__.py").is_file()


@pytest.mark.parametrize(("words", "named"), cases("make"))
def test_make_knows_its_targets_and_variables(words, named):
    run = subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True)
    assert run.returncode == 0, run.stderr.decode()
    for word in filter(ASSIGNMENT.fullmatch, words):
        assert f"$({word.partition('=')[0]})" in MAKEFILE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_of_ours_that_are_named_exist(page):
    named = set(OURS.findall(page.read_text())) - MADE_BY_USERS
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_to_headings_lead_to_one(page):
    for target, anchor in re.findall(r"\]\(([^)#]*)#([^)]+)\)", page.read_text()):
        text = (page.parent / target if target else page).read_text()
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
        assert anchor in slugs, f"{page.name}: {target}#{anchor}"


def test_the_tables_are_those_of_the_settings():
    page = PAGE.read_text()
    assert all(f"<!-- {name}:begin -->" in page for name in tables())
    assert page == with_tables(page), "run: python -m pipelines.profile_page"


def test_every_setting_is_explained():
    for table in tables().values():
        for line in table.splitlines():
            assert not line.endswith("|  |"), line


def yaml_blocks(of: str, page: Path = PAGE) -> list[str]:
    found = [body for language, body in BLOCK.findall(page.read_text()) if language == "yaml"]
    return [body for body in found if re.search(rf"^{of}:", body, re.MULTILINE)]


def test_the_schedules_are_valid(tmp_path):
    (example,) = yaml_blocks("schedules")
    path = tmp_path / "schedules.yaml"
    path.write_text(example)
    file = ScheduleFile.read(path)
    assert {schedule.pipeline for schedule in file.schedules.values()} == {
        "monitoring",
        "retraining",
    }
    for schedule in file.schedules.values():
        assert len(file.next_times(schedule)) == 5
        arguments(schedule.pipeline, schedule.area, ROOT / "params.yaml", schedule.overrides)


def test_the_schedules_in_readme_are_valid(tmp_path):
    (example,) = yaml_blocks("schedules", ROOT / "README.md")
    path = tmp_path / "schedules.yaml"
    path.write_text(example)
    assert len(ScheduleFile.read(path).schedules) == 2


@pytest.mark.parametrize("page", ["README.md", "docs/fetch.md"])
def test_the_areas_of_the_examples_are_valid(tmp_path, page):
    path = tmp_path / "params.yaml"
    for example in yaml_blocks("areas", ROOT / page):
        path.write_text(example)
        for stage in STAGES:
            assert load(stage, path).name == "myarea"


def test_the_secrets_of_a_service_fit_a_profile(tmp_path):
    (example,) = yaml_blocks("tasks", ROOT / "docs" / "fetch.md")
    path = tmp_path / "profile.yaml"
    base = str(ROOT / "pipelines" / "profiles" / "cluster-cpu.yaml")
    path.write_text(yaml.safe_dump({"extends": base, **yaml.safe_load(example)}))
    tasks = profile.load(path).tasks
    for task in ("plan", "index", "fetch"):
        (secret,) = tasks[task].secrets
        assert set(secret.env.values()) == {"SH_CLIENT_ID", "SH_CLIENT_SECRET"}


@pytest.mark.parametrize("zone", ["Europe/Brussels", "Etc/GMT-1"])
def test_the_time_zones_are_refused_and_taken_as_the_page_says(tmp_path, zone):
    (example,) = yaml_blocks("schedules")
    path = tmp_path / "schedules.yaml"
    path.write_text(example.replace("Etc/GMT-1", zone))
    if zone == "Etc/GMT-1":
        assert ScheduleFile.read(path)
    else:
        with pytest.raises(GroundshiftError, match="changes its clocks"):
            ScheduleFile.read(path)


def test_the_secrets_of_the_example_fit_a_profile(tmp_path):
    (example,) = yaml_blocks("secrets")
    path = tmp_path / "profile.yaml"
    base = str(ROOT / "pipelines" / "profiles" / "cluster-cpu.yaml")
    path.write_text(yaml.safe_dump({"extends": base, "defaults": yaml.safe_load(example)}))
    (secret,) = profile.load(path).tasks["train"].secrets
    assert secret.name == "groundshift-mlflow"


def test_the_volume_of_the_example_is_the_one_that_the_profile_mounts():
    (example,) = yaml_blocks("apiVersion")
    claim, pod = yaml.safe_load_all(example)
    cluster = profile.load(ROOT / "pipelines" / "profiles" / "kind.yaml")
    (mounted,) = cluster.defaults.claims
    (container,) = pod["spec"]["containers"]
    assert claim["metadata"]["name"] == mounted.claim
    assert container["volumeMounts"] == [{"name": "data", "mountPath": mounted.path}]
    assert container["image"] == cluster.images.light
    user = f"{cluster.defaults.security.user}:{cluster.defaults.security.group}"
    assert user in pod["spec"]["initContainers"][0]["command"]
