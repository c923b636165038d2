#!/bin/sh
# List the services of a server (by reflection).
set -eu
exec grpcurl -plaintext "${ADDRESS:-127.0.0.1:50051}" list
