#!/bin/sh
# Say what kind of work a prompt is. The Classifier is internal and has a port of its own.
set -eu
exec grpcurl -plaintext -d '{"text": "두 소수의 합이 항상 짝수인지 증명해줘."}' \
  "${ADDRESS:-127.0.0.1:50052}" pointsman.v1.ClassifierService/Classify
