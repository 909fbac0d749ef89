"""Run dbt in this process, with the project's profile."""
