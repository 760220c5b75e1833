"""Random models give the same in both engines.

Deterministic, unless ``SALTERN_TESTS_HUNT=N`` asks for N new models for each property.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from saltern.base.errors import Place
from tests.golden.models import options_of

from . import trees
from .outcome import assert_equal, saltern
from .reference import Reference

HUNT = int(os.environ.get("SALTERN_TESTS_HUNT", "0"))
bounded = settings(
    max_examples=HUNT or 150,
    derandomize=not HUNT,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each model in turn is written."""
    return tmp_path_factory.mktemp("model")


def check(model: trees.Model, root: Path, reference: Reference) -> None:
    model.write(root)
    options = replace(options_of(model.options), class_mappings_place=Place("reclass-config.yml", 1, 1))
    assert_equal(reference.nodes(root, model.options), saltern(root, options), str(model))


@bounded
@given(trees.layered())
def test_merging_and_references(root: Path, reference: Reference, model: trees.Model) -> None:
    check(model, root, reference)


@bounded
@given(trees.class_trees())
def test_classes_and_names(root: Path, reference: Reference, model: trees.Model) -> None:
    check(model, root, reference)


@bounded
@given(trees.query_trees())
def test_exports_and_queries(root: Path, reference: Reference, model: trees.Model) -> None:
    check(model, root, reference)


@bounded
@given(trees.sentences())
def test_texts(root: Path, reference: Reference, model: trees.Model) -> None:
    check(model, root, reference)


@bounded
@given(trees.yaml_texts())
def test_yaml(root: Path, reference: Reference, model: trees.Model) -> None:
    check(model, root, reference)


@bounded
@given(trees.everything())
def test_everything(root: Path, reference: Reference, model: trees.Model) -> None:
    check(model, root, reference)
