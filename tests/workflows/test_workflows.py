"""What the workflows promise: who may do what, and what is run."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from local.commands.policies import flags
from local.commands.session import STACKS
from tests.workflows.conftest import PROJECT, WORKFLOWS

JOBS = {(name, job): body for name, flow in WORKFLOWS.items() for job, body in flow["jobs"].items()}
WRITES = {
    ("preview", "comment"): {"pull-requests"},
    ("drift", "tell"): {"issues"},
}
"""Which job may write what in GitHub; every other one only reads."""


def _uses() -> Iterator[str]:
    for path in sorted((PROJECT / ".github").rglob("*.yml")):
        yield from re.findall(r"uses: (.+)", path.read_text(encoding="utf-8"))


def _permissions(job: dict[str, Any], access: str) -> set[str]:
    return {scope for scope, granted in job["permissions"].items() if granted == access}


def test_actions_are_pinned_by_commit_with_their_version() -> None:
    foreign = [used for used in _uses() if not used.startswith("./")]
    assert foreign
    assert [used for used in foreign if not re.fullmatch(r"\S+@[0-9a-f]{40} # v[\d.]+", used)] == []


def test_one_action_has_one_version() -> None:
    found: dict[str, set[str]] = {}
    for used in _uses():
        action, _, version = used.partition("@")
        owner_and_name = "/".join(action.split("/")[:2])
        found.setdefault(owner_and_name, set()).add(version)
    assert {action: versions for action, versions in found.items() if len(versions) > 1} == {}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_has_no_permission_of_its_own(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}


@pytest.mark.parametrize(("name", "job"), JOBS)
def test_only_two_jobs_write_and_those_run_no_code_of_ours(name: str, job: str) -> None:
    body = JOBS[name, job]
    assert _permissions(body, "write") - {"id-token"} == WRITES.get((name, job), set())
    if (name, job) in WRITES:
        used = [step.get("uses", "").partition("@")[0] for step in body["steps"]]
        assert used == ["actions/download-artifact", ""]


@pytest.mark.parametrize(("name", "job"), JOBS)
def test_a_login_to_azure_needs_a_github_environment(name: str, job: str) -> None:
    """Only a token of an environment is trusted: its subject names it."""
    body = JOBS[name, job]
    logs_in = "id-token" in body["permissions"] and "steps" in body
    assert ("environment" in body) == logs_in


def test_a_pull_request_sees_no_secret_and_no_azure() -> None:
    text = (PROJECT / ".github" / "workflows" / "preview.yml").read_text(encoding="utf-8")
    assert "secrets." not in text
    assert "id-token" not in text
    assert list(WORKFLOWS["preview"][True]) == ["pull_request"]  # YAML reads `on` as a boolean


def test_environments_come_one_after_the_other() -> None:
    jobs = WORKFLOWS["deploy"]["jobs"]
    assert list(jobs) == ["check", *STACKS]
    assert [job.get("needs") for job in jobs.values()] == [None, "check", *STACKS[:-1]]
    assert [jobs[stack]["with"]["stack"] for stack in STACKS] == list(STACKS)


def test_nothing_is_deployed_that_did_not_pass_the_check() -> None:
    check = WORKFLOWS["deploy"]["jobs"]["check"]
    assert check["uses"] == "./.github/workflows/check.yml"
    assert "if" not in check
    assert "workflow_call" in WORKFLOWS["check"][True]
    assert [step["run"] for step in WORKFLOWS["check"]["jobs"]["check"]["steps"][3:]] == [".ci/run"]
    # One group would wait for itself: `github.workflow` is the caller's name.
    assert "github.workflow" not in WORKFLOWS["check"]["concurrency"]["group"]


@pytest.mark.parametrize(("name", "job"), JOBS)
def test_state_and_key_are_opened_as_the_job(name: str, job: str) -> None:
    """A runner in Azure has an identity of its own, which would be asked first."""
    environment = JOBS[name, job].get("env", {})
    opens_state = "PULUMI_BACKEND_URL" in environment
    assert ("environment" in JOBS[name, job]) == opens_state
    expected = "AzureCLICredential" if opens_state else None
    assert environment.get("AZURE_TOKEN_CREDENTIALS") == expected


def test_the_base_is_what_the_pull_request_was_merged_with() -> None:
    checkout, *_, compare = WORKFLOWS["preview"]["jobs"]["review"]["steps"][:5]
    assert compare["env"]["BASE"] == "HEAD^1"
    assert checkout["with"]["fetch-depth"] == 2


def test_a_plan_is_kept_as_long_as_an_approval_may_take() -> None:
    steps = WORKFLOWS["deploy-stack"]["jobs"]["plan"]["steps"]
    [kept] = [step["with"] for step in steps if "upload-artifact" in step.get("uses", "")]
    assert kept["path"].split() == ["plan.json", "plan.txt"]
    assert kept["retention-days"] == 30


@pytest.mark.parametrize(("name", "job"), [("check", "check"), ("preview", "review")])
def test_the_page_names_the_checks_that_a_ruleset_requires(name: str, job: str) -> None:
    page = (PROJECT / "docs" / "pipeline.md").read_text(encoding="utf-8")
    assert f"`{JOBS[name, job]['name']}`" in page


@pytest.mark.parametrize("name", ["deploy-stack", "drift"])
def test_the_page_names_the_workflows_that_a_runner_inside_is_for(name: str) -> None:
    page = (PROJECT / "docs" / "pipeline.md").read_text(encoding="utf-8")
    assert f"/.github/workflows/{name}.yml@refs/heads/main" in page
    inside = [job for (flow, job), body in JOBS.items() if "DEPLOY_RUNNER" in str(body)]
    assert sorted(inside) == ["apply", "compare", "plan"]


def test_every_place_that_has_an_owner_exists() -> None:
    lines = (PROJECT / ".github" / "CODEOWNERS").read_text(encoding="utf-8").splitlines()
    owned = [line.split()[0] for line in lines if not line.startswith("#")]
    assert {"/.github/", "/assurance/", "/local/"} <= set(owned)
    assert [place for place in owned if not list(PROJECT.glob(place.strip("/")))] == []


def test_what_is_applied_is_the_plan_that_was_approved() -> None:
    jobs = WORKFLOWS["deploy-stack"]["jobs"]
    assert jobs["apply"]["needs"] == "plan"
    assert jobs["plan"]["environment"] == "${{ inputs.stack }}-plan"
    assert jobs["apply"]["environment"] == "${{ inputs.stack }}"
    scripts = ["".join(step.get("run", "") for step in job["steps"]) for job in jobs.values()]
    assert "--save-plan plan.json" in scripts[0]
    assert "up --stack" not in scripts[0]
    assert '"$ENGINE" up --stack "$STACK" --yes --skip-preview --plan plan.json' in scripts[1]
    assert JOBS["deploy-stack", "plan"]["env"] == JOBS["deploy-stack", "apply"]["env"]


def test_every_run_that_may_change_azure_is_judged_by_the_policies() -> None:
    pack, enforcement = flags("$STACK")[1::2]
    runs = [
        step["run"]
        for job in WORKFLOWS["deploy-stack"]["jobs"].values()
        for step in job["steps"]
        if "$ENGINE" in step.get("run", "")
    ]
    assert len(runs) == 3
    for run in runs:
        assert f'--policy-pack {pack} \\\n  --policy-pack-config "{enforcement}"' in run


def test_the_night_looks_at_every_environment() -> None:
    assert WORKFLOWS["drift"]["jobs"]["compare"]["strategy"]["matrix"]["stack"] == list(STACKS)
