#!/usr/bin/env bash
#
# Creates the server's role and its database. The role owns the database and is no superuser, so that an attacker with its
# password cannot read files of the database's machine or run programs there.
#
# The image of PostgreSQL runs this once for a new data folder, and scripts/with-services does the same. It runs as the superuser,
# who has no password afterwards and can therefore sign in from the machine itself only.
set -euo pipefail

# Tests create databases; the server does not.
createdb=NOCREATEDB
[ -z "${SERVER_CREATES_DATABASES:-}" ] || createdb=CREATEDB

psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:?}" --dbname=postgres \
    --set=role="${SERVER_ROLE:?}" --set=password="${SERVER_PASSWORD:?}" --set=database="${SERVER_DATABASE:?}" --set=createdb="$createdb" <<'SQL'
CREATE ROLE :"role" LOGIN :createdb PASSWORD :'password';
CREATE DATABASE :"database" OWNER :"role";
ALTER ROLE CURRENT_USER PASSWORD NULL;
SQL
