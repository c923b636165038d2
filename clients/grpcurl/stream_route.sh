#!/bin/sh
# Have a prompt answered as the answer is produced: one start, deltas, one end.
# An end with "partial": true says that the provider broke off: what came is not all of it.
set -eu
exec grpcurl -plaintext -d '{"text": "이 문장을 더 공손하게 고쳐줘: 자료 보내.", "options": {"category": "review"}}' \
  "${ADDRESS:-127.0.0.1:50051}" pointsman.v1.RouterService/StreamRoute
