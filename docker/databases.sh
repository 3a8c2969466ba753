#!/bin/bash
# Run once by the image of PostgreSQL, in an empty cluster: a user and its databases for each part of the stack.
set -euo pipefail

create() {  # user, databases
    local user=$1 password
    password=$(sed -n "s/^postgres:5432:\*:$user://p" /run/secrets/pgpass)
    psql --quiet --set ON_ERROR_STOP=1 --username postgres <<<"create role $user login password '$password';"
    for database in "${@:2}"; do
        psql --quiet --set ON_ERROR_STOP=1 --username postgres <<<"create database $database owner $user;"
    done
}

create airflow airflow celery
create mlflow mlflow mlflow_auth
create nightshift catalog state
