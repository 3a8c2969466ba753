#!/usr/bin/env bash
# Makes the secrets of this installation, once: files in docker/secrets that only their owner reads, and docker/.env.
# Those that exist stay as they are. Git and the image's build ignore all of them.
set -euo pipefail
cd "$(dirname "$0")"
umask 077
mkdir -p secrets

# Containers run as the files' owner. As root, that is a user of their own: nothing in the stack runs as root.
uid=$(id -u)
if [ "$uid" = 0 ]; then uid=50000; fi

random() { head -c "$1" /dev/urandom | od -An -tx1 | tr -d ' \n'; }  # hexadecimal: no character needs an escape
keep() {
    cat >"secrets/$1.part"  # always read: who writes to nobody is killed
    if [ -e "secrets/$1" ]; then rm "secrets/$1.part"; else mv "secrets/$1.part" "secrets/$1"; fi
}

head -c 32 /dev/urandom | base64 | tr '+/' '-_' | keep fernet_key
for name in api_secret_key jwt_secret mlflow_secret_key serving_token; do random 64 | keep "$name"; done
for name in airflow_admin_password mlflow_admin_password postgres_password; do random 12 | keep "$name"; done
echo "redis://:$(random 16)@redis:6379/0" | keep broker_url
# Read by libpq and asyncpg: addresses of databases need no password. A line is host:port:database:user:password.
for user in airflow mlflow nightshift; do echo "postgres:5432:*:$user:$(random 16)"; done | keep pgpass
printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "NS$(random 9)" "$(random 20)" |
    keep aws_credentials
# The same key, as SeaweedFS wants to be told.
key() { sed -n "s/^$1 = //p" secrets/aws_credentials; }
printf '{"identities": [{"name": "nightshift", "credentials": [{"accessKey": "%s", "secretKey": "%s"}], "actions": %s}]}\n' \
    "$(key aws_access_key_id)" "$(key aws_secret_access_key)" '["Admin", "Read", "Write", "List", "Tagging"]' |
    keep s3_identities

if [ "$(id -u)" = 0 ]; then chown -R "$uid:0" secrets; fi
[ -e .env ] || printf "COMPOSE_PROJECT_NAME=nightshift\nNIGHTSHIFT_UID=%s\n" "$uid" >.env
echo "docker/secrets holds this installation's secrets; the password of Airflow's user admin is in" \
    "docker/secrets/airflow_admin_password, that of MLflow's in docker/secrets/mlflow_admin_password"
