-- What Selfsmith needs in a PostgreSQL that is not its own. As a superuser, once:
--   psql --set=ON_ERROR_STOP=1 --set=password=… --file=deploy/roles.sql
-- Two roles: one owns the tables, the other runs, and row level security binds it.
CREATE ROLE selfsmith_owner LOGIN CREATEDB PASSWORD :'password';
CREATE ROLE selfsmith_app LOGIN PASSWORD :'password';
GRANT selfsmith_app TO selfsmith_owner;
CREATE DATABASE selfsmith OWNER selfsmith_owner;
\connect selfsmith
ALTER DEFAULT PRIVILEGES FOR ROLE selfsmith_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO selfsmith_app;
ALTER DEFAULT PRIVILEGES FOR ROLE selfsmith_owner IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO selfsmith_app;
