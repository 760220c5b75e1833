"""Secrets of a model on their way to configuration and jobs, and nowhere else. The formula is compiled by real Salt."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any, cast

import pytest

from saltern.base.errors import PhaseError, Problem, SecretError
from saltern.base.process import LocalRunner
from saltern.base.store import canonical, digest
from saltern.formulas.worker import ApplyResult, ChangedFile, Context
from saltern.images.build import Action, Built
from saltern.images.toolchain import local_site_packages
from saltern.model.secret_references import SecretReference
from saltern.phases import Phase
from saltern.project import safekeeping, secrets
from saltern.project.building import Imaged, recipes_of
from saltern.project.compiling import Compiled, compile_members
from saltern.project.configuring import configure
from saltern.project.context import Options, Project, open_project
from saltern.project.probing import endpoints_of
from saltern.project.rendering import shown_secrets
from saltern.project.revealing import Revealer
from saltern.project.workers import Bases
from saltern.secrets.generate import generate
from tests.trees import write_tree
from tests.unit.project.compiled import BASE, TOOLCHAIN
from tests.unit.worker.conftest import CACHE

PASSWORD, TOKEN = "first-Pa55word", "token-0123456789"
REFERENCE = SecretReference("age", "db/password")

FORMULA = {
    "web/init.sls": """\
        web_package:
          pkg.installed:
          - name: nginx
        web_file:
          file.managed:
          - name: /etc/web.conf
          - source: salt://web/files/web.conf
          - template: jinja
        web_auth:
          file.managed:
          - name: /etc/web.auth
          - contents: {{ salt['hashutil.base64_b64encode']('web:' ~ pillar.web.password) }}
        web_schema:
          cmd.run:
          - name: web-manage db_sync --url {{ pillar.web.url }}
        """,
    "web/files/web.conf": "password = {{ pillar.web.password }}\n",
    "web/meta/verify.yml": """\
        checks:
        - name: log in
          command: [curl, http://web]
          environment: {PASSWORD: {{ pillar.web.password | json }}}
        endpoints:
        - name: web
          base: http://127.0.0.1
          requests:
          - method: POST
            path: /
            json: {password: {{ pillar.web.password | json }}}
            headers: {X-Key: {{ pillar.web.password | json }}}
        """,
}
NODE = dedent("""\
    applications: [web]
    parameters:
      _param:
        password: ?{age:db/password}
      web:
        password: ${_param:password}
        url: mysql://web:${_param:password}@db/
    """)


@dataclasses.dataclass(frozen=True)
class Model:
    """A model in the test's folder with the formula above."""

    root: Path

    def write(self, **files: str) -> Model:
        write_tree(self.root, files)
        return self

    @property
    def project(self) -> Project:
        base = self.root.parent
        identity = base / "identity.txt"
        options = Options(worker="local", identity=identity, cache=base / "cache", state=base / "state")
        return open_project(self.root, options)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    site = local_site_packages(LocalRunner(), CACHE)
    toolchain = tmp_path / "cache" / "toolchain"
    toolchain.mkdir(parents=True)
    (toolchain / site.name).symlink_to(site)
    files = {"saltern.yml": "formulas: [{name: web, path: ../formula}]\n", "nodes/web01.yml": NODE}
    (tmp_path / "model" / "classes").mkdir(parents=True)
    found = Model(tmp_path / "model").write(**files, **{f"../formula/{name}": text for name, text in FORMULA.items()})
    safekeeping.init(found.project)
    safekeeping.set_secret(found.project, "db/password", PASSWORD)
    return found


@dataclasses.dataclass(frozen=True)
class Run:
    """One run: what is compiled with stand-ins, and the way to the values."""

    project: Project
    bases: Bases
    one: Compiled
    revealer: Revealer

    def real(self) -> Compiled:
        return self.revealer.compiled(self.bases, self.one)


@pytest.fixture
def run(model: Model) -> Iterator[Run]:
    project = model.project
    revealer = Revealer(project)
    with Bases(project) as bases:
        (one,) = compile_members(project, bases=bases)
        yield Run(project, bases, one, revealer)


def everything(one: Compiled) -> str:
    return canonical([dataclasses.asdict(part) for part in (one.low, one.metadata, one.before, one.after)])


def config(one: Compiled) -> str:
    return canonical([chunk.raw for chunk in one.split.of(Phase.CONFIG)])


def encoded(password: str) -> str:
    return base64.b64encode(f"web:{password}".encode()).decode()


# ---- where the value is, and where not


def test_compiled_with_stand_ins_and_revealed_with_values(run: Run) -> None:
    assert PASSWORD not in everything(run.one)
    assert encoded(PASSWORD) not in everything(run.one)
    assert REFERENCE.stand_in in everything(run.one)
    real = run.real()
    assert f"mysql://web:{PASSWORD}@db/" in canonical([*real.before.chunks, *real.after.chunks])
    assert encoded(PASSWORD) in config(real)  # what a formula computes of a secret is right
    assert run.bases.context(real.member).pillar["web"]["password"] == PASSWORD
    assert run.bases.context(real.member).secrets == (PASSWORD,)
    assert real.metadata.checks[0].environment == {"PASSWORD": PASSWORD}
    (request,) = real.metadata.endpoints[0].requests
    assert (request.json, request.headers) == ({"password": PASSWORD}, {"X-Key": PASSWORD})
    assert endpoints_of(run.revealer, run.bases, [run.one, run.one]) == real.metadata.endpoints
    assert PASSWORD not in repr(real.metadata.endpoints)
    assert [a.phase for a in real.split.assignments] == [a.phase for a in run.one.split.assignments]
    assert run.real() is real


def test_no_value_is_written_to_the_cache_or_the_state(run: Run, tmp_path: Path) -> None:
    run.real()
    run.revealer.acts(run.bases, run.one, "after")
    hashes = [hashlib.sha256(PASSWORD.encode()).hexdigest(), digest(PASSWORD)]
    wanted = [text.encode() for text in (PASSWORD, encoded(PASSWORD), *hashes)]
    files = [path for path in tmp_path.rglob("*") if path.is_file() and "toolchain" not in path.parts]
    assert [path for path in files for text in wanted if text in path.read_bytes()] == []
    assert any("compiled" in path.parts for path in files)


def test_the_image_does_not_know_of_it(model: Model, run: Run) -> None:
    def key() -> str:
        (one,) = compile_members(project := model.project, bases=run.bases)
        made = dataclasses.replace(one, site=dataclasses.replace(one.site, made=(BASE, TOOLCHAIN)))
        return recipes_of(project, [made])["web01"].key

    before = key()
    safekeeping.set_secret(model.project, "db/password", "another-value")
    assert key() == before


# ---- what a change is


def test_another_value_is_another_act_and_another_configuration(model: Model, run: Run) -> None:
    def marks(revealer: Revealer) -> tuple[str, str]:
        one = run.one
        return revealer.digest_with_values(one.member, one.key), revealer.acts(run.bases, one, "before")

    first = marks(run.revealer)
    assert marks(Revealer(model.project)) == first
    safekeeping.set_secret(model.project, "db/password", "another-value")
    second = marks(Revealer(model.project))
    assert second[0] != first[0]
    assert second[1] != first[1]
    safekeeping.set_secret(model.project, "db/password", PASSWORD)
    assert marks(Revealer(model.project)) == first


def test_a_secret_that_no_job_uses_changes_no_job(model: Model, run: Run) -> None:
    safekeeping.set_secret(model.project, "other", "one")
    model.write(**{"nodes/web01.yml": NODE + "  other: {token: '?{age:other}'}\n"})

    def act() -> str:
        (one,) = compile_members(project := model.project, bases=run.bases)
        return Revealer(project).acts(run.bases, one, "before")

    first = act()
    safekeeping.set_secret(model.project, "other", "two")
    assert act() == first


def test_digests_need_a_key_that_only_this_machine_has(model: Model, run: Run, tmp_path: Path) -> None:
    member = run.one.member
    assert run.revealer.digest(member, "a") == Revealer(model.project).digest(member, "a")
    key = tmp_path / "state/model/digest.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.unlink()
    assert run.revealer.digest(member, "a") != Revealer(model.project).digest(member, "a")


def test_nodes_without_secrets_are_as_before(model: Model, tmp_path: Path) -> None:
    model.write(**{"nodes/web01.yml": "applications: [web]\nparameters: {web: {password: plain-text, url: x}}\n"})
    project = model.project
    revealer = Revealer(project)
    with Bases(project) as bases:
        (one,) = compile_members(project, bases=bases)
        assert revealer.compiled(bases, one) is one
        assert revealer.digest(one.member, "a") == revealer.digest_with_values(one.member, "a") == digest("a")
    assert not (tmp_path / "state/model/digest.key").exists()


# ---- configuration


@dataclasses.dataclass
class FakeBases:
    """Where "applying" makes an answer of what the chunks say; nothing runs."""

    real: Bases
    applied: list[str] = dataclasses.field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def image_worker(self, *_: object) -> FakeBases:
        return self

    def __enter__(self) -> FakeBases:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def apply(self, context: Context, chunks: Sequence[Mapping[str, Any]], **_: object) -> ApplyResult:
        text = next(chunk["contents"] for chunk in chunks if chunk["__id__"] == "web_auth")
        self.applied.append(base64.b64decode(text).decode())
        file = ChangedFile("/etc/web.auth", "file", "0640", 0, 0, hashlib.sha256(text.encode()).hexdigest())
        return ApplyResult(ok=True, results=(), files=(file,))


def configured(run: Run, bases: FakeBases, project: Project) -> str:
    """The folder of the rendered tree."""
    image = Imaged(run.one, Built("web", "localhost/web:1", "key", "id", Action.KEEP))
    made = configure(project, cast("Bases", bases), image, Revealer(project))
    (mount,) = made.mounts
    assert mount.target == "/etc/web.auth"
    return mount.source.removesuffix(mount.target)


def test_configuration_is_rendered_with_values_and_again_when_they_change(model: Model, run: Run) -> None:
    bases = FakeBases(run.bases)
    first = configured(run, bases, model.project)
    assert configured(run, bases, model.project) == first
    assert bases.applied == [f"web:{PASSWORD}"]
    safekeeping.set_secret(model.project, "db/password", "another-value")
    second = configured(run, bases, model.project)
    assert second != first
    assert bases.applied == [f"web:{PASSWORD}", "web:another-value"]
    answer = Path(f"{first}.json").read_text()
    assert not first.endswith(digest(answer)[:20])  # a keyed one


@pytest.mark.parametrize("lost", ["tree", "answer"])
def test_a_tree_that_is_lost_is_rendered_again(model: Model, run: Run, lost: str) -> None:
    bases = FakeBases(run.bases)
    tree = Path(configured(run, bases, model.project))
    answer = tree.with_name(f"{tree.name}.json")
    assert answer.stat().st_mode & 0o777 == 0o600
    if lost == "tree":
        tree.rmdir()
    else:
        answer.write_text("nonsense")
    assert configured(run, bases, model.project) == str(tree)
    assert len(bases.applied) == 2


def test_the_compose_file_shows_no_value(model: Model, run: Run) -> None:
    environment = {"A": f"x{PASSWORD}", "B": "plain"}
    shown = [*shown_secrets(run.project, {"services": {"web": {"environment": environment}}}, run.revealer)]
    assert [(p.brief, str(p.places[0])) for p in shown] == [
        ("the Compose file would show the secret ?{age:db/password} in the service web", "nodes/web01.yml:4:15")
    ]
    assert [*shown_secrets(run.project, {"services": {"web": {"environment": {"B": "plain"}}}}, run.revealer)] == []


# ---- what may not be made from a secret


@pytest.mark.parametrize(
    ("file", "text", "brief"),
    [
        (
            "init.sls",
            "web_user:\n  user.present:\n  - password: {{ salt['hashutil.sha256_digest'](pillar.web.password) }}\n",
            "user.present 'web_user' is part of the image and is made from a secret",
        ),
        (
            "init.sls",
            "{% if pillar.web.password | length > 20 %}\nweb_long:\n  test.nop: []\n{% endif %}\n",
            "which states there are depends on the value of a secret",
        ),
        (
            "meta/container.yml",
            "processes: {web: {command: [web, --password, {{ pillar.web.password | json }}]}}\n",
            "meta/container.yml of a formula shows a secret: what it says stands in the Compose file",
        ),
        (
            "meta/verify.yml",
            "checks: [{name: log in, command: [mysql, -p{{ pillar.web.password }}]}]\n",
            "meta/verify.yml of a formula shows a secret: names and commands of checks stand in process lists and logs",
        ),
        (
            "meta/verify.yml",
            "endpoints: [{name: a, base: 'http://a', requests: [{method: GET, path: '/{{ pillar.web.password }}'}]}]\n",
            "meta/verify.yml of a formula shows a secret: names and URLs of endpoints stand in journals and output",
        ),
    ],
)
def test_refused_when_the_values_are_known(model: Model, file: str, text: str, brief: str) -> None:
    model.write(**{f"../formula/web/{file}": text})
    project = model.project
    with Bases(project) as bases:
        (one,) = compile_members(project, bases=bases)
        with pytest.raises(PhaseError) as caught:
            Revealer(project).compiled(bases, one)
    (problem,) = caught.value.problems
    assert problem.brief == brief
    assert problem.node == "web01"
    assert file != "init.sls" or str(problem.places[0]).startswith("web/init.sls:")


def test_a_template_of_the_image_is_refused_without_any_value(model: Model) -> None:
    sls = FORMULA["web/init.sls"].replace(
        "- template: jinja", "- template: jinja\n          - require_in: [{pkg: web_package}]"
    )
    model.write(**{"../formula/web/init.sls": sls})
    project = model.project
    with Bases(project) as bases, pytest.raises(PhaseError) as caught:
        compile_members(project, bases=bases)
    (problem,) = caught.value.problems
    assert problem.brief.endswith("is part of the image and shows the secret ?{age:db/password}")
    assert str(problem.places[0]) == "nodes/web01.yml:4:15"


def test_a_plain_secret_in_a_template_of_the_image_is_refused(model: Model) -> None:
    sls = FORMULA["web/init.sls"].replace(
        "- template: jinja", "- template: jinja\n          - require_in: [{pkg: web_package}]"
    )
    node = "applications: [web]\nparameters: {web: {password: a plain and long enough word, url: x}}\n"
    model.write(**{"../formula/web/init.sls": sls, "nodes/web01.yml": node})
    project = model.project
    with Bases(project) as bases, pytest.raises(PhaseError) as caught:
        compile_members(project, bases=bases)
    (problem,) = caught.value.problems
    assert problem.brief.endswith("is part of the image and shows a secret of the model")


# ---- what is told


def test_all_problems_before_anything_starts(model: Model) -> None:
    more = "  other: ['?{age:missing}', '?{env:SALTERN_NOT_SET}']\n  again: ?{age:missing}\n"
    model.write(**{"nodes/web01.yml": NODE + more})
    (model.root.parent / "identity.txt").unlink()
    with pytest.raises(SecretError) as caught:
        Revealer(model.project)
    assert sorted((p.brief.split(":")[0], len(p.places)) for p in caught.value.problems) == [
        ("no identity to open secrets with", 1),
        ("the environment variable SALTERN_NOT_SET is not set", 1),
        ("there is no secret 'missing'", 2),
    ]
    (problem,) = secrets.check(model.project, model.project.members)
    assert [str(place) for place in problem.places] == ["nodes/web01.yml:8:11", "nodes/web01.yml:9:10"]


def test_not_in_settings(model: Model) -> None:
    model.write(**{"nodes/web01.yml": NODE + "  saltern: {grains: {site: '?{age:db/password}'}}\n"})
    (problem,) = secrets.check(model.project, model.project.members)
    assert problem.brief.startswith("?{age:db/password} stands in parameters:saltern")
    with pytest.raises(SecretError):
        Revealer(model.project)


def test_errors_show_references_instead_of_values() -> None:
    known = {REFERENCE: "abcd", SecretReference("env", "X"): "abcdef", SecretReference("env", "S"): "abc"}
    problem = Problem("abcdef abcd abc", details=f"x{REFERENCE.stand_in}x", resolution="abcd")
    with pytest.raises(PhaseError) as caught, secrets.hidden(known):
        raise PhaseError(problem)
    (shown,) = caught.value.problems
    assert shown.brief == "?{env:X} ?{age:db/password} abc"
    assert (shown.details, shown.resolution) == ("x?{age:db/password}x", "?{age:db/password}")


def test_which_secrets_a_text_shows() -> None:
    known = {REFERENCE: 'quo"ted', SecretReference("env", "X"): "short", SecretReference("env", "Y"): generate(20)}
    assert secrets.held(canonical({"a": 'x quo"ted', "b": "short"}), known) == (REFERENCE,)
    assert secrets.held(canonical(SecretReference("env", "X").stand_in), known) == (SecretReference("env", "X"),)
