#!/bin/sh
# Say how a prompt would be routed now, and why; no provider is called.
set -eu
exec grpcurl -plaintext -d '{"text": "Write a function that reverses a list."}' \
  "${ADDRESS:-127.0.0.1:50051}" pointsman.v1.RouterService/Explain
