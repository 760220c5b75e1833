"""Formula sources, with real git repositories that are made in the test's own folder."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from saltern.base.errors import FormulaError, Problem
from saltern.base.process import LocalRunner
from saltern.formulas.sources import Formula, bundled_root, checkout, fetch, lock, read_lock, resolve
from saltern.model.settings import FormulaSetting

RUNNER = LocalRunner(
    env={
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@x",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@x",
        "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
        "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    }
)


class Repository:
    """A git repository with one file per commit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet", "--initial-branch=master", str(root), inside=False)
        self.first = self.commit("1")

    def git(self, *words: str, inside: bool = True) -> str:
        done = RUNNER.run(("git", *(("-C", str(self.root)) if inside else ()), *words))
        assert done.ok, done.stderr
        return done.stdout.strip()

    def commit(self, text: str) -> str:
        file = self.root / "web" / "init.sls"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", text)
        return self.git("rev-parse", "HEAD")


class Model:
    """A model's folder and cache, and the verbs on them."""

    def __init__(self, folder: Path) -> None:
        self.root, self.cache = folder / "model", folder / "cache"
        self.root.mkdir()

    def lock(self, *settings: FormulaSetting) -> dict[str, dict[str, str]]:
        return lock(self.root, settings, RUNNER)

    def fetch(self, *settings: FormulaSetting) -> tuple[str, ...]:
        return fetch(self.root, settings, self.cache, RUNNER)

    def resolve(self, *settings: FormulaSetting) -> dict[str, Formula]:
        return {f.name: f for f in resolve(self.root, settings, self.cache)}

    def refused(self, *settings: FormulaSetting) -> list[Problem]:
        with pytest.raises(FormulaError) as caught:
            self.resolve(*settings)
        return list(caught.value.problems)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    yield Model(tmp_path)
    assert not list((tmp_path / "cache").rglob("*.part")), "half a tree is left"


def setting(repository: Repository, ref: str = "", name: str = "web", compat: str = "") -> FormulaSetting:
    return FormulaSetting(name, git=str(repository.root), ref=ref, compat=compat)


def text(formula: Formula) -> str:
    return (formula.root / "web" / "init.sls").read_text()


def test_lock_fetch_resolve(model: Model, repository: Repository) -> None:
    wanted = setting(repository, compat="python2")
    entries = model.lock(wanted)
    assert entries == {"web": {"git": str(repository.root), "commit": repository.first, "compat": "python2"}}
    assert read_lock(model.root) == entries
    assert (model.root / "formulas.lock").read_text().startswith("# Made by `saltern formulas lock`")
    assert stat.S_IMODE((model.root / "formulas.lock").stat().st_mode) == 0o644
    assert model.fetch(wanted) == ("web",)
    assert model.fetch(wanted) == (), "what is there is not fetched again"
    found = model.resolve(wanted)["web"]
    assert (text(found), found.compat) == ("1", "python2")
    assert found.origin == f"{repository.root} {repository.first[:12]}"
    assert not (found.root / ".git").exists()


def test_a_locked_commit_stays_when_its_ref_moves(model: Model, repository: Repository) -> None:
    wanted = setting(repository, "master")
    model.lock(wanted)
    second = repository.commit("2")
    model.fetch(wanted)
    assert text(model.resolve(wanted)["web"]) == "1"
    assert model.lock(wanted)["web"]["commit"] == second
    model.fetch(wanted)
    assert text(model.resolve(wanted)["web"]) == "2"


def test_an_equal_lock_is_equal_bytes(model: Model, repository: Repository) -> None:
    first, second = setting(repository, name="b"), setting(repository, name="a")
    model.lock(first, second)
    before = (model.root / "formulas.lock").read_bytes()
    model.lock(second, first)
    assert (model.root / "formulas.lock").read_bytes() == before


@pytest.mark.parametrize("annotated", [False, True])
def test_a_tag_wins_over_a_branch_and_means_its_commit(model: Model, repository: Repository, annotated: bool) -> None:
    repository.git("tag", *(("-a", "-m", "x") if annotated else ()), "v1")
    repository.commit("2")
    repository.git("branch", "v1")
    assert model.lock(setting(repository, "v1"))["web"]["commit"] == repository.first


def test_a_branch(model: Model, repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "feature/x")
    second = repository.commit("2")
    repository.git("checkout", "--quiet", "master")
    assert model.lock(setting(repository, "feature/x"))["web"]["commit"] == second
    assert model.lock(setting(repository))["web"]["commit"] == repository.first


def test_a_commit_as_a_ref(model: Model, repository: Repository) -> None:
    repository.commit("2")
    wanted = setting(repository, repository.first)
    assert model.lock(wanted)["web"]["commit"] == repository.first
    model.fetch(wanted)
    assert text(model.resolve(wanted)["web"]) == "1"


def test_an_unknown_ref(model: Model, repository: Repository) -> None:
    with pytest.raises(FormulaError) as caught:
        model.lock(setting(repository, "nope"), setting(repository, "nada", "other"))
    assert [p.brief for p in caught.value.problems] == [
        f"formula 'web': {repository.root} has no branch or tag 'nope'",
        f"formula 'other': {repository.root} has no branch or tag 'nada'",
    ]
    assert "ref in saltern.yml" in caught.value.problems[0].resolution
    assert not (model.root / "formulas.lock").exists(), "half a lock"


def test_a_repository_that_cannot_be_read(model: Model, tmp_path: Path) -> None:
    with pytest.raises(FormulaError) as caught:
        model.lock(FormulaSetting("web", git=str(tmp_path / "missing")))
    (problem,) = caught.value.problems
    assert "cannot be read" in problem.brief
    assert "missing" in problem.details
    assert problem.resolution


def test_a_repository_whose_name_is_an_option_runs_nothing(model: Model, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(FormulaError):
        model.lock(FormulaSetting("web", git=f"--upload-pack=touch {mark}"))
    assert not mark.exists()


def test_a_missing_lock_and_one_of_another_repository(model: Model, repository: Repository) -> None:
    wanted = setting(repository)
    (problem,) = model.refused(wanted)
    assert "is not locked to a commit" in problem.brief
    assert problem.resolution == "run `saltern formulas lock`"
    assert problem.places[0].file.endswith("formulas.lock")
    model.lock(wanted)
    (problem,) = model.refused(FormulaSetting("web", git="https://elsewhere.example/web"))
    assert "is not locked to a commit of https://elsewhere.example/web" in problem.brief


def test_locked_but_not_fetched(model: Model, repository: Repository) -> None:
    model.lock(setting(repository))
    (problem,) = model.refused(setting(repository))
    assert problem.resolution == "run `saltern formulas fetch`"


def test_a_commit_that_is_gone(model: Model, repository: Repository) -> None:
    wanted = setting(repository)
    entry = model.lock(wanted)["web"]
    lost = "0123456789" * 4
    (model.root / "formulas.lock").write_text(f"formulas: {{web: {{git: '{entry['git']}', commit: '{lost}'}}}}\n")
    with pytest.raises(FormulaError) as caught:
        model.fetch(wanted)
    assert f"commit {lost[:12]} of {entry['git']} cannot be fetched" in caught.value.problems[0].brief
    assert not checkout(model.cache, entry["git"], lost).exists()


def test_wrong_yaml_in_the_lock_has_its_place(model: Model) -> None:
    (model.root / "formulas.lock").write_text("formulas:\n  web: [\n")
    (problem,) = model.refused()
    assert problem.places[0].file.endswith("formulas.lock")
    assert problem.places[0].line


def test_a_half_fetched_tree_of_a_killed_run_is_made_anew(model: Model, repository: Repository) -> None:
    wanted = setting(repository)
    commit = model.lock(wanted)["web"]["commit"]
    target = checkout(model.cache, str(repository.root), commit)
    part = target.with_name(f".{target.name}.part")
    (part / "web").mkdir(parents=True)
    (part / "web" / "other.sls").write_text("half")
    assert model.fetch(wanted) == ("web",)
    assert not (target / "web" / "other.sls").exists()


def test_bundled_formulas_and_an_override_of_one(model: Model) -> None:
    bundled = model.resolve()
    name = sorted(bundled)[0]
    assert bundled[name] == Formula(name, bundled_root() / name)
    own = model.root / "own"
    own.mkdir()
    found = model.resolve(FormulaSetting("zzz", path="own"), FormulaSetting(name, path="own", compat="python2"))
    assert list(found)[:2] == ["zzz", name], (
        "the model's own come first: Salt takes the first file root that has a file"
    )
    assert found[name] == Formula(name, own, "python2", "path own")
    assert set(found) == {*bundled, "zzz"}


def test_a_formula_of_a_service_replaces_the_bundled_one_whatever_it_is_called(model: Model) -> None:
    """Else it would get the bundled formula's ``meta/``, which asks its ``map.jinja`` for what that does not have."""
    name = sorted(model.resolve())[0]
    own = model.root / "own" / name
    (own / "meta").mkdir(parents=True)
    (own / "meta" / "container.yml").write_text("ports: []\n")
    named = FormulaSetting("salt-formula-own", path="own")
    assert name in model.resolve(named)  # it only adds to the bundled one
    (own / "init.sls").write_text("")
    assert name not in model.resolve(named)



def test_all_missing_folders_at_once(model: Model) -> None:
    found = model.refused(FormulaSetting("a", path="x"), FormulaSetting("b", path="y"))
    assert [p.brief.split(":")[0] for p in found] == ["formula 'a'", "formula 'b'"]


def test_the_fingerprint_is_of_paths_contents_and_executable_bits(tmp_path: Path) -> None:
    root = tmp_path / "formula"
    (root / "web").mkdir(parents=True)
    (root / "web" / "init.sls").write_text("a")
    formula = Formula("web", root)
    seen = [formula.fingerprint()]
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    assert Formula("other", copy).fingerprint() == seen[0]
    (copy / ".git").mkdir()
    (copy / ".git" / "HEAD").write_text("x")
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "a.pyc").write_text("x")
    assert Formula("other", copy).fingerprint() == seen[0]
    (root / "web" / "init.sls").write_text("b")
    seen.append(formula.fingerprint())
    (root / "web" / "init.sls").chmod(0o755)
    seen.append(formula.fingerprint())
    (root / "web" / "init.sls").rename(root / "web" / "server.sls")
    seen.append(formula.fingerprint())
    assert len(set(seen)) == 4


def test_classes(tmp_path: Path) -> None:
    assert Formula("web", tmp_path).classes is None
    folder = tmp_path / "metadata" / "service"
    folder.mkdir(parents=True)
    assert Formula("web", tmp_path).classes == ("service.web", folder)
