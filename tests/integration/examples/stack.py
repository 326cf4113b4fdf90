"""Makes a stack of the template in moto for each set of parameters on stdin, and prints the resources.

usage: stack.py TEMPLATE < PARAMETERS > RESULTS
"""

import json
import os
import sys

ACCOUNT, REGION = "111122223333", "us-east-1"
os.environ.update(
    MOTO_ACCOUNT_ID=ACCOUNT, AWS_DEFAULT_REGION=REGION, AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret"
)

import boto3
from moto import mock_aws
from moto.cloudformation import parsing
from moto.iam.models import OpenIDConnectProvider, iam_backends
from moto.kms.models import Key, kms_backends


def create_provider(name, resource, account, region, **_):
    given = resource["Properties"]
    return iam_backends[account]["aws"].create_open_id_connect_provider(given["Url"], [], given["ClientIdList"], [])


def create_key(name, resource, account, region, **_):
    given = resource["Properties"]
    policy = json.dumps(given["KeyPolicy"])
    key = kms_backends[account][region].create_key(
        policy, given["KeyUsage"], given["KeySpec"], given["Description"], []
    )
    key.window = int(given["PendingWindowInDays"])
    return key


# moto's CloudFormation makes no OIDC provider, and symmetric keys alone, whose policy it cannot read afterwards.
OpenIDConnectProvider.create_from_cloudformation_json = create_provider
OpenIDConnectProvider.is_created = lambda self: True
OpenIDConnectProvider.physical_resource_id = property(lambda self: self.arn)
parsing.get_model_map()["AWS::IAM::OIDCProvider"] = OpenIDConnectProvider
Key.create_from_cloudformation_json = create_key


@mock_aws
def make(template, parameters):
    stacks, iam, kms = boto3.client("cloudformation"), boto3.client("iam"), boto3.client("kms")
    stacks.create_stack(
        StackName="signing",
        TemplateBody=template,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    (stack,) = stacks.describe_stacks(StackName="signing")["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    ids = {
        one["LogicalResourceId"]: one["PhysicalResourceId"]
        for one in stacks.describe_stack_resources(StackName="signing")["StackResources"]
        if "LogicalResourceId" in one  # a resource whose condition is false is an empty one
    }
    key = kms.describe_key(KeyId=ids["Key"])["KeyMetadata"]

    def role(name):
        made = iam.get_role(RoleName=name)["Role"]
        return {
            "arn": made["Arn"],
            "boundary": made.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "trust": made["AssumeRolePolicyDocument"],
            "policies": {
                policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
                for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
            },
        }

    def provider(arn):
        made = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
        return {"arn": arn, "url": made["Url"], "audiences": made["ClientIDList"]}

    return {
        "outputs": outputs,
        "provider": provider(ids["Provider"]) if "Provider" in ids else None,
        "sign": role(ids["SignRole"]),
        "verify": role(ids["VerifyRole"]),
        "key": {
            "arn": key["Arn"],
            "description": key["Description"],
            "spec": key["KeySpec"],
            "usage": key["KeyUsage"],
            "window": kms_backends[ACCOUNT][REGION].keys[key["KeyId"]].window,
            "policy": json.loads(kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"]),
        },
        "alias": {
            alias["AliasName"]: alias["TargetKeyId"] for alias in kms.list_aliases(KeyId=key["KeyId"])["Aliases"]
        },
    }


with open(sys.argv[1]) as file:
    template = file.read()
json.dump([make(template, parameters) for parameters in json.load(sys.stdin)], sys.stdout)
