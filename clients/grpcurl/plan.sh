#!/bin/sh
# Say which candidates Execute would try now, in which order, and which not and why; no provider is called.
set -eu
exec grpcurl -plaintext -d '{"request": {"text": "What is the capital of France?", "category": "quick"}}' \
  "${ADDRESS:-127.0.0.1:50053}" pointsman.v1.ExecutorService/Plan
