#!/bin/sh
# Run a prompt in the pool of a category, without the Router. The Executor is internal and has a port of its own.
set -eu
exec grpcurl -plaintext -d '{"text": "What is the capital of France?", "category": "quick"}' \
  "${ADDRESS:-127.0.0.1:50053}" pointsman.v1.ExecutorService/Execute
