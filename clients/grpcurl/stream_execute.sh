#!/bin/sh
# Run a prompt in the pool of a category, as the answer is produced.
set -eu
exec grpcurl -plaintext -d '{"request": {"text": "What is the capital of France?", "category": "quick"}}' \
  "${ADDRESS:-127.0.0.1:50053}" pointsman.v1.ExecutorService/StreamExecute
