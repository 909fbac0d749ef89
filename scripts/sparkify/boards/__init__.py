"""Read the dashboards of charts/, and draw them with dbt Charts."""
