#!/bin/sh
# Sum up what was asked, tried and paid, a row a category.
set -eu
exec grpcurl -plaintext -d '{"group_by": "REPORT_BY_CATEGORY"}' \
  "${ADDRESS:-127.0.0.1:50053}" pointsman.v1.ExecutorService/Report
