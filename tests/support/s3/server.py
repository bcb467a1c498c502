"""An S3-compatible server (moto) for the tests of pictures and backups.

Prints a line of JSON: its port and the keys of a user who may use all buckets. It has the bucket "snack", which is empty, and
denies access with other keys. It ends with its standard input.
"""
import json
import logging
import sys

import boto3
import moto.settings
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").disabled = True
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
port = server.get_host_and_port()[1]
client = lambda service: boto3.client(
    service, endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")

iam = client("iam")
iam.create_user(UserName="snack")
policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_user_policy(UserName="snack", PolicyName="buckets", PolicyDocument=json.dumps(policy))
key = iam.create_access_key(UserName="snack")["AccessKey"]
client("s3").create_bucket(Bucket="snack")

# From now on, keys are checked.
moto.settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
print(json.dumps({"port": port, "access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}), flush=True)
sys.stdin.read()
