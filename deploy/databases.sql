-- Run once, when the database server is made: a database and a role for each of the two, who can't see each other's.
\set remit_password `cat /run/secrets/remit-database-password`
\set spicedb_password `cat /run/secrets/spicedb-database-password`

create role remit login password :'remit_password';
create role spicedb login password :'spicedb_password';
create database remit owner remit template template0 encoding 'UTF8';
create database spicedb owner spicedb template template0 encoding 'UTF8';
revoke connect, temporary on database remit, spicedb, postgres from public;
